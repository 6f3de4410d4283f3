import {
  bytesOf,
  type LogRange,
  type LogRecord,
  type LogSlice,
  type OffsetOutOfRangeError,
  type TopicPartition,
} from '../../activities/ports.ts';
import { unreadBatch } from '../../domain/unread-batch.ts';
import { backoffMs } from './backoff.ts';
import { decompress } from './codecs.ts';
import type { FetchedPartition } from './protocol/fetch.ts';
import { BatchTooLargeError, decodeRecords, type RecordBatch, readBatches } from './record-batch.ts';
import { visibleBatches } from './transactions.ts';

/** Offsets as they were fetched; without a batch they hold no records for us. */
interface Stretch {
  from: number;
  next: number;
  batch: RecordBatch | null;
  /** Milliseconds of the monotonic clock. */
  arrivedAt: number;
}

/** A decoded stretch that is being handed out; `at` is the index of its first record that is not. */
interface Opened extends Stretch {
  records: LogRecord[];
  at: number;
}

/** What a batch may still take. Its last record may exceed the bytes. */
export interface Room {
  records: number;
  bytes: number;
}

const isFull = ({ records, bytes }: Room) => records <= 0 || bytes <= 0;

/** A partition as messages name it. */
export const partitionName = ({ topic, partition }: TopicPartition): string => `${topic}[${partition}]`;

/**
 * One range being read: what was fetched and not yet handed out, and how to go on. Batches wait as the broker sent
 * them, so that what is buffered has the size that was asked for; they are decoded when they are handed out.
 */
export class PartitionReader {
  readonly topic: string;
  readonly partition: number;
  /** Exclusive. */
  readonly #end: number;
  #waiting: Stretch[] = [];
  /** Index of the first of `#waiting` that is not opened yet. */
  #head = 0;
  #opened: Opened | null = null;
  #handedOut: number;
  #fetched: number;
  #failures = 0;
  #trouble: string | null = null;
  /** Why the first waiting stretch can't be decoded: lasts until it can, however well it is fetched again. */
  #damage: string | null = null;

  /** Node id, or null when the cluster has to be asked. */
  leader: number | null = null;
  /** Ends reading: to be thrown when everything before it is handed out. */
  failure: OffsetOutOfRangeError | null = null;
  /** Not to be asked about before this time of the monotonic clock, in milliseconds. */
  retryAt = 0;
  /** Number of the last fetch that brought something: who was served longest ago is asked for first. */
  servedBy = 0;
  /** Last stable offset, as of the newest fetch. */
  endOffset: number;
  bufferedBytes = 0;
  #batchedRecords = 0;

  constructor(range: LogRange) {
    this.topic = range.topic;
    this.partition = range.partition;
    this.#handedOut = range.from;
    this.#fetched = range.from;
    this.#end = range.to ?? Number.POSITIVE_INFINITY;
    this.endOffset = range.from;
  }

  get name(): string {
    return partitionName(this);
  }

  /** Where the next fetch begins. */
  get position(): number {
    return this.#fetched;
  }

  /** True when nothing is left to fetch. */
  get fetchedAll(): boolean {
    return this.#fetched >= this.#end || this.failure !== null;
  }

  /** True when the broker is known to have more, and to send it. */
  get moreIsComing(): boolean {
    return !this.fetchedAll && this.trouble === null && this.#fetched < this.endOffset;
  }

  /** True when the range is handed out to its end. */
  get finished(): boolean {
    return this.#handedOut >= this.#end;
  }

  /** How many records wait to be handed out; those before our position in the first batch are counted too. */
  get bufferedRecords(): number {
    return this.#batchedRecords + (this.#opened === null ? 0 : this.#opened.records.length - this.#opened.at);
  }

  /** When the oldest offsets that wait to be handed out arrived, null when none wait. */
  get waitingSince(): number | null {
    return this.#opened?.arrivedAt ?? this.#waiting[this.#head]?.arrivedAt ?? null;
  }

  /** What keeps this partition from being read, in words. */
  get trouble(): string | null {
    return this.#damage ?? this.#trouble;
  }

  /** Backs off, and asks for the leader anew when that is over. */
  stall(trouble: string, now: number): void {
    this.#failures += 1;
    this.retryAt = now + backoffMs(this.#failures);
    this.#trouble = trouble;
    this.leader = null;
  }

  /** What the broker sends can't be read: backs off, for as long as that is so. */
  markDamaged(damage: string, now: number): void {
    this.stall(damage, now);
    this.#damage = damage;
  }

  /** What waits can't be decoded: backs off and fetches it again. */
  discard(damage: string, now: number): void {
    this.markDamaged(damage, now);
    this.#waiting = [];
    this.#head = 0;
    this.#fetched = this.#handedOut;
    this.bufferedBytes = 0;
    this.#batchedRecords = 0;
  }

  /**
   * Takes in a broker's answer to a fetch from `position`.
   * @returns whether it brought offsets, nothing, or only a batch cut off by the limits
   * @throws RecordFormatError
   */
  accept(answer: FetchedPartition, now: number): 'progress' | 'nothing' | 'cut off' {
    if (this.#damage === null) this.#failures = 0;
    this.#trouble = null;
    this.endOffset = answer.lastStableOffset;
    const before = this.#fetched;
    for (const { batch, visible } of visibleBatches(readBatches(answer.recordSet), answer.abortedTransactions)) {
      const holdsRecords = visible && batch.recordCount > 0 && batch.baseOffset < this.#end;
      this.#append(batch.lastOffset + 1, holdsRecords ? batch : null, now);
    }
    if (this.#fetched > before) return 'progress';
    return answer.recordSet.length > 0 ? 'cut off' : 'nothing';
  }

  #append(upTo: number, batch: RecordBatch | null, arrivedAt: number): void {
    const next = Math.min(upTo, this.#end);
    if (next <= this.#fetched) return;
    this.#waiting.push({ from: this.#fetched, next, batch, arrivedAt });
    this.#fetched = next;
    this.bufferedBytes += batch?.payload.length ?? 0;
    this.#batchedRecords += batch?.recordCount ?? 0;
  }

  /**
   * Hands out what waits and there is room for; null when nothing waits.
   * @param room is less by what is handed out
   * @throws RecordFormatError when the next batch can't be decoded; what comes before it is handed out first
   */
  async take(room: Room): Promise<LogSlice | null> {
    const from = this.#handedOut;
    const parts: LogRecord[][] = [];
    for (let opened = await this.#open(room, from); opened !== null; opened = await this.#open(room, from)) {
      const part = this.#handOut(opened, room);
      if (part.length > 0) parts.push(part);
      if (this.#opened !== null) break;
    }
    this.#waiting.splice(0, this.#head);
    this.#head = 0;
    if (this.#handedOut === from) return null;
    const [first = [], ...more] = parts;
    return {
      topic: this.topic,
      partition: this.partition,
      from,
      next: this.#handedOut,
      records: more.length === 0 ? first : parts.flat(),
      endOffset: this.endOffset,
    };
  }

  /** The stretch to hand out from next; null when none waits or there is no room for its records. */
  async #open(room: Room, startedAt: number): Promise<Opened | null> {
    if (this.#opened !== null) return this.#opened;
    const stretch = this.#waiting[this.#head];
    if (stretch === undefined || (isFull(room) && stretch.batch !== null)) return null;
    try {
      this.#opened = { ...stretch, at: 0, records: stretch.batch === null ? [] : await decode(stretch.batch, stretch) };
    } catch (error) {
      if (this.#handedOut > startedAt) return null;
      throw error;
    }
    this.#head += 1;
    this.bufferedBytes -= stretch.batch?.payload.length ?? 0;
    this.#batchedRecords -= stretch.batch?.recordCount ?? 0;
    this.#damage = null;
    return this.#opened;
  }

  #handOut(opened: Opened, room: Room): LogRecord[] {
    const { records, at } = opened;
    const end = endWithin(records, at, room);
    opened.at = end;
    if (end === records.length) {
      this.#opened = null;
      this.#handedOut = opened.next;
      return at === 0 ? records : records.slice(at);
    }
    const part = records.slice(at, end);
    this.#handedOut = (part.at(-1)?.offset ?? this.#handedOut - 1) + 1;
    return part;
  }
}

/** Index behind the last record that there is room for, which is less by them then. */
function endWithin(records: readonly LogRecord[], from: number, room: Room): number {
  let end = from;
  for (; end < records.length && !isFull(room); end += 1) {
    room.records -= 1;
    room.bytes -= bytesOf(records[end] as LogRecord);
  }
  return end;
}

async function decode(batch: RecordBatch, { from, next }: { from: number; next: number }): Promise<LogRecord[]> {
  try {
    const bytes = batch.codec === 0 ? batch.payload : await decompress(batch.codec, batch.payload);
    return decodeRecords(batch, bytes, from, next);
  } catch (error) {
    if (!(error instanceof BatchTooLargeError)) throw error;
    return [standIn(batch, Math.max(from, batch.baseOffset), error.message)];
  }
}

/** One record for a batch that is too large: it would be no smaller the next time, and must not hold up the others. */
function standIn(batch: RecordBatch, offset: number, reason: string): LogRecord {
  const { recordCount, baseOffset, lastOffset, appendTimestamp, baseTimestamp } = batch;
  return {
    offset,
    timestamp: appendTimestamp ?? baseTimestamp,
    key: null,
    value: unreadBatch(`${recordCount} records, offsets ${baseOffset} to ${lastOffset}, were not read, ${reason}`),
    headers: [],
  };
}
