import {
  LogIdentityError,
  type LogRange,
  type LogSession,
  type LogSlice,
  type PartitionBounds,
  type TopicPartition,
} from '../../activities/ports.ts';
import type { Brokers } from './brokers.ts';
import type { KafkaLog } from './client.ts';
import { type SessionLimits, startFetching } from './fetching.ts';
import { PartitionReader, type Room } from './partition-reader.ts';
import { RecordFormatError } from './record-batch.ts';
import { TopicIdentities } from './topic-identity.ts';

/** A `LogSession` that tells how much it holds. */
export interface KafkaLogSession extends LogSession {
  /** Bytes of fetched batches that wait to be handed out, as the broker sent them. */
  readonly bufferedBytes: number;
}

export interface SessionDeps {
  /** Asks over other connections, since those of the session wait for records. */
  boundsOf: (partition: TopicPartition) => Promise<PartitionBounds>;
  log: KafkaLog;
  /** Called once. */
  closed(): void;
}

const TROUBLES_TOLD = 3;

/** A backlog is read in whole batches: what the broker has is waited for longer than what may be produced. */
const BACKLOG_PATIENCE = 10;

/**
 * Opens a read of ranges over connections of its own, which it closes with itself.
 */
export function openSession(
  ranges: readonly LogRange[],
  limits: SessionLimits,
  brokers: Brokers,
  { boundsOf, log, closed: onClosed }: SessionDeps,
): KafkaLogSession {
  const partitions = ranges.map((range) => new PartitionReader(range));
  const identities = new TopicIdentities();
  for (const { topic, topicId } of ranges) {
    // The positions are of this topic: one with another id is doubted before it is read.
    if (topicId) identities.seen(topic, topicId);
  }
  let turn = 0;
  let linger = 0;
  let closed = false;
  let troubleTold = false;
  let wake = () => {};

  const finished = () => partitions.every((partition) => partition.finished);
  const bufferedBytes = () => partitions.reduce((sum, partition) => sum + partition.bufferedBytes, 0);

  function trouble(): string | null {
    const troubles = new Set(
      partitions.flatMap((partition) => (partition.fetchedAll ? [] : (partition.trouble ?? []))),
    );
    if (troubles.size === 0) return null;
    const more = troubles.size > TROUBLES_TOLD ? ` (and ${troubles.size - TROUBLES_TOLD} more)` : '';
    return [...troubles].slice(0, TROUBLES_TOLD).join('; ') + more;
  }

  function tellTrouble(): void {
    const reason = trouble();
    if (reason !== null && !troubleTold) log('warn', 'reading from Kafka stalls', { reason });
    if (reason === null && troubleTold) log('info', 'reading from Kafka goes on', {});
    troubleTold = reason !== null;
  }

  const changed = () => {
    tellTrouble();
    wake();
  };
  const fetching = startFetching({
    partitions,
    identities,
    limits,
    brokers,
    boundsOf,
    lingerMs: () => linger,
    changed,
  });

  /** Throws what ends reading, once everything before it is handed out. */
  function throwFailure(): void {
    for (const partition of partitions) {
      if (partition.failure !== null && partition.waitingSince === null) throw partition.failure;
    }
    for (const topic of identities.doubted()) {
      if (partitions.some((partition) => partition.topic === topic && partition.waitingSince !== null)) continue;
      identities.trust(topic);
      fetching.resume();
      throw new LogIdentityError(topic);
    }
  }

  /** Milliseconds until what waits should be handed out; null when nothing waits. */
  function dueIn({ records: maxRecords, bytes: maxBytes }: Room, lingerMs: number): number | null {
    const since = Math.min(...partitions.map((partition) => partition.waitingSince ?? Number.POSITIVE_INFINITY));
    if (!Number.isFinite(since)) return null;
    const records = partitions.reduce((sum, partition) => sum + partition.bufferedRecords, 0);
    const bytes = bufferedBytes();
    const full = bytes >= maxBytes || limits.maxBufferedBytes - bytes < limits.maxBytesPerPartition;
    const complete = partitions.every((partition) => partition.fetchedAll || identities.inDoubt(partition.topic));
    if (records >= maxRecords || full || complete) return 0;
    const patience = partitions.some(({ moreIsComing }) => moreIsComing) ? BACKLOG_PATIENCE * lingerMs : lingerMs;
    return Math.max(since + patience - performance.now(), 0);
  }

  /** Each call begins with another partition, so that none is left for last for ever. */
  async function handOut(room: Room): Promise<LogSlice[]> {
    const slices: LogSlice[] = [];
    for (const partition of [...partitions.slice(turn), ...partitions.slice(0, turn)]) {
      const slice = await takeFrom(partition, room);
      if (slice === null) continue;
      slices.push(slice);
    }
    turn = (turn + 1) % partitions.length;
    return slices;
  }

  async function takeFrom(partition: PartitionReader, room: Room): Promise<LogSlice | null> {
    try {
      return await partition.take(room);
    } catch (error) {
      if (!(error instanceof RecordFormatError)) throw error;
      partition.discard(`${partition.name}: ${error.message}`, performance.now());
      tellTrouble();
      return null;
    }
  }

  function change(signal: AbortSignal, timeoutMs: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === null ? undefined : setTimeout(done, timeoutMs);
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        wake = () => {};
        resolve();
      }
      signal.addEventListener('abort', done);
      wake = done;
    });
  }

  return {
    async next({ maxRecords, maxBytes = Number.POSITIVE_INFINITY, lingerMs, signal }) {
      const room: Room = { records: maxRecords, bytes: maxBytes };
      linger = lingerMs;
      while (!signal.aborted && !closed) {
        throwFailure();
        const due = dueIn(room, lingerMs);
        if (due === null && finished()) break;
        if (due !== 0) {
          await change(signal, due);
          continue;
        }
        const slices = await handOut(room);
        fetching.resume();
        if (slices.length > 0) return slices;
      }
      return [];
    },

    get finished() {
      return finished();
    },

    get trouble() {
      return trouble();
    },

    get bufferedBytes() {
      return bufferedBytes();
    },

    async close() {
      if (closed) return;
      closed = true;
      onClosed();
      fetching.stop();
      wake();
    },
  };
}
