import {
  LogIdentityError,
  type LogRange,
  type LogSession,
  type LogSlice,
  OffsetOutOfRangeError,
  type PartitionBounds,
  type TopicPartition,
} from '../../activities/ports.ts';
import type { Brokers } from './brokers.ts';
import type { KafkaLog } from './client.ts';
import { PartitionReader, partitionName } from './partition-reader.ts';
import { ERROR, errorWords, TOPIC_GONE } from './protocol/errors.ts';
import type { FetchedPartition } from './protocol/fetch.ts';
import type { ClusterMetadata } from './protocol/metadata.ts';
import { RecordFormatError } from './record-batch.ts';
import { TopicIdentities } from './topic-identity.ts';

export interface ReaderLimits {
  /** Milliseconds a broker may hold a fetch open while there is nothing new. */
  maxWaitMs: number;
  /** Of fetched records that wait to be handed out, over all partitions of a session. */
  maxBufferedBytes: number;
  /** Of one partition in one fetch. A larger record gets through all the same. */
  maxBytesPerPartition: number;
}

/** A `LogSession` that tells how much it holds. */
export interface KafkaLogSession extends LogSession {
  /** Bytes of fetched batches that wait to be handed out, as the broker sent them. */
  readonly bufferedBytes: number;
}

/** A fetch that leaves partitions out must not wait long: theirs would wait for it. */
const WAIT_BESIDE_FULL_MS = 50;
const WAIT_BESIDE_STALLED_MS = 500;
const NOTHING_RETRY_MS = 100;
const TROUBLES_TOLD = 3;

/**
 * Opens a read of ranges over connections of its own, which it closes with itself.
 * @param boundsOf asks over other connections, since ours wait for records
 */
export function openSession(
  ranges: readonly LogRange[],
  limits: ReaderLimits,
  brokers: Brokers,
  boundsOf: (partition: TopicPartition) => Promise<PartitionBounds>,
  log: KafkaLog,
): KafkaLogSession {
  const partitions = ranges.map((range) => new PartitionReader(range));
  const identities = new TopicIdentities();
  const busy = new Set<number>();
  let reservedBytes = 0;
  let fetches = 0;
  let turn = 0;
  let refreshing = false;
  let closed = false;
  let troubleTold = false;
  let retryTimer: NodeJS.Timeout | undefined;
  let wake = () => {};

  const bufferedBytes = () => partitions.reduce((sum, partition) => sum + partition.bufferedBytes, 0);
  const finished = () => partitions.every((partition) => partition.finished);
  const unread = () => partitions.filter((partition) => !partition.fetchedAll && !identities.inDoubt(partition.topic));

  function trouble(): string | null {
    const troubles = new Set(unread().flatMap((partition) => partition.trouble ?? []));
    if (troubles.size === 0) return null;
    const more = troubles.size > TROUBLES_TOLD ? ` (and ${troubles.size - TROUBLES_TOLD} more)` : '';
    return [...troubles].slice(0, TROUBLES_TOLD).join('; ') + more;
  }

  /** Something has happened: tells who waits in `next`, and goes on fetching. */
  function changed(): void {
    const reason = trouble();
    if (reason !== null && !troubleTold) log('warn', 'reading from Kafka stalls', { reason });
    if (reason === null && troubleTold) log('info', 'reading from Kafka goes on', {});
    troubleTold = reason !== null;
    wake();
    fetchMore();
  }

  /** Starts what can be done now, and a timer for what has to wait. */
  function fetchMore(): void {
    clearTimeout(retryTimer);
    if (closed) return;
    const now = performance.now();
    const left = unread();
    const due = left.filter((partition) => partition.retryAt <= now);
    if (!refreshing && due.some((partition) => partition.leader === null)) void findLeaders();
    for (const leader of new Set(due.map((partition) => partition.leader))) {
      if (leader !== null && !busy.has(leader)) startFetch(leader, left, due);
    }
    const retryAt = Math.min(...left.map((partition) => partition.retryAt).filter((at) => at > now));
    if (Number.isFinite(retryAt)) retryTimer = setTimeout(fetchMore, retryAt - now);
  }

  async function findLeaders(): Promise<void> {
    refreshing = true;
    const asking = unread();
    try {
      const metadata = await brokers.metadata([...new Set(asking.map(({ topic }) => topic))]);
      const now = performance.now();
      for (const partition of asking) if (partition.leader === null) assignLeader(partition, metadata, now);
    } catch (error) {
      const now = performance.now();
      for (const partition of asking) if (partition.leader === null) partition.stall(messageOf(error), now);
    }
    refreshing = false;
    if (!closed) changed();
  }

  function assignLeader(partition: PartitionReader, metadata: ClusterMetadata, now: number): void {
    const topic = metadata.topics.find(({ name }) => name === partition.topic);
    if (topic === undefined || topic.errorCode === ERROR.UNKNOWN_TOPIC_OR_PARTITION) {
      identities.lost(partition.topic);
      partition.stall(`topic ${partition.topic} does not exist`, now);
      return;
    }
    if (topic.errorCode !== ERROR.NONE) {
      partition.stall(`topic ${partition.topic}: ${errorWords(topic.errorCode)}`, now);
      return;
    }
    identities.seen(partition.topic, topic.id);
    const leader = topic.partitions.find((candidate) => candidate.partition === partition.partition)?.leader;
    if (leader === undefined) partition.stall(`topic ${partition.topic} has no partition ${partition.partition}`, now);
    else if (leader < 0) partition.stall(`${partition.name} has no leader: its brokers are down`, now);
    else partition.leader = leader;
  }

  function startFetch(leader: number, left: PartitionReader[], due: PartitionReader[]): void {
    const buffered = bufferedBytes();
    const free = limits.maxBufferedBytes - buffered - reservedBytes;
    if (free < limits.maxBytesPerPartition && buffered + reservedBytes > 0) return;
    const share = Math.max(limits.maxBytesPerPartition, limits.maxBufferedBytes / left.length);
    const led = due.filter((partition) => partition.leader === leader);
    const wanted = led.filter((partition) => partition.bufferedBytes < share);
    if (wanted.length === 0) return;
    wanted.sort((a, b) => a.servedBy - b.servedBy);
    const maxBytes = Math.min(Math.max(free, 1), wanted.length * limits.maxBytesPerPartition);
    let maxWaitMs = limits.maxWaitMs;
    if (left.some((partition) => partition.leader === null)) maxWaitMs = Math.min(maxWaitMs, WAIT_BESIDE_STALLED_MS);
    if (wanted.length < led.length) maxWaitMs = Math.min(maxWaitMs, WAIT_BESIDE_FULL_MS);
    void fetch(leader, wanted, maxBytes, maxWaitMs);
  }

  async function fetch(leader: number, wanted: PartitionReader[], maxBytes: number, maxWaitMs: number): Promise<void> {
    busy.add(leader);
    reservedBytes += maxBytes;
    const asked = new Map(wanted.map((partition) => [partition.name, { partition, position: partition.position }]));
    try {
      const answer = await brokers.fetch(leader, {
        maxWaitMs,
        minBytes: 1,
        maxBytes,
        maxBytesPerPartition: limits.maxBytesPerPartition,
        partitions: wanted.map((partition) => wantedFrom(partition)),
      });
      fetches += 1;
      for (const partition of wanted) {
        if (answer.errorCode !== ERROR.NONE) partition.stall(errorWords(answer.errorCode), performance.now());
      }
      const allEmpty = answer.partitions.every(({ recordSet }) => recordSet.length === 0);
      for (const fetched of answer.partitions) {
        const { partition, position } = asked.get(partitionName(fetched)) ?? {};
        // What waited may have been discarded meanwhile: this answer would leave a hole.
        if (partition === undefined || partition.position !== position) continue;
        await digest(partition, fetched);
        // Committed offsets follow, but the broker can't bring them just now (tiered storage) and does not wait either.
        if (allEmpty && position < fetched.lastStableOffset) partition.retryAt = performance.now() + NOTHING_RETRY_MS;
      }
    } catch (error) {
      for (const partition of wanted) partition.stall(messageOf(error), performance.now());
    }
    busy.delete(leader);
    reservedBytes -= maxBytes;
    if (!closed) changed();
  }

  const wantedFrom = (partition: PartitionReader) => ({
    topic: partition.topic,
    topicId: identities.idOf(partition.topic),
    partition: partition.partition,
    offset: partition.position,
  });

  async function digest(partition: PartitionReader, fetched: FetchedPartition): Promise<void> {
    if (fetched.errorCode === ERROR.OFFSET_OUT_OF_RANGE) return outOfRange(partition);
    if (fetched.errorCode !== ERROR.NONE) {
      if (TOPIC_GONE.includes(fetched.errorCode)) identities.lost(partition.topic);
      partition.stall(`${partition.name}: ${errorWords(fetched.errorCode)}`, performance.now());
      return;
    }
    try {
      const brought = partition.accept(fetched, performance.now());
      if (brought === 'progress') partition.servedBy = fetches;
      // First in the next request, where a batch of any size is sent whole.
      if (brought === 'cut off') partition.servedBy = 0;
    } catch (error) {
      if (!(error instanceof RecordFormatError)) throw error;
      partition.markDamaged(`${partition.name} at offset ${partition.position}: ${error.message}`, performance.now());
    }
  }

  async function outOfRange(partition: PartitionReader): Promise<void> {
    const at = { topic: partition.topic, partition: partition.partition, offset: partition.position };
    const bounds = await boundsOf(at);
    const inRange = bounds.earliest <= at.offset && at.offset <= bounds.end;
    if (inRange) partition.stall(`${partition.name}: ${errorWords(ERROR.OFFSET_OUT_OF_RANGE)}`, performance.now());
    else partition.failure = new OffsetOutOfRangeError(at, bounds);
  }

  /** Throws what ends reading, once everything before it is handed out. */
  function throwFailure(): void {
    for (const partition of partitions) {
      if (partition.failure !== null && partition.waitingSince === null) throw partition.failure;
    }
    for (const topic of identities.doubted()) {
      if (partitions.some((partition) => partition.topic === topic && partition.waitingSince !== null)) continue;
      identities.trust(topic);
      fetchMore();
      throw new LogIdentityError(topic);
    }
  }

  /** Milliseconds until what waits should be handed out; null when nothing waits. */
  function dueIn(maxRecords: number, lingerMs: number): number | null {
    const since = Math.min(...partitions.map((partition) => partition.waitingSince ?? Number.POSITIVE_INFINITY));
    if (!Number.isFinite(since)) return null;
    const records = partitions.reduce((sum, partition) => sum + partition.bufferedRecords, 0);
    const full = limits.maxBufferedBytes - bufferedBytes() < limits.maxBytesPerPartition;
    if (records >= maxRecords || full || unread().length === 0) return 0;
    return Math.max(since + lingerMs - performance.now(), 0);
  }

  async function handOut(maxRecords: number): Promise<LogSlice[]> {
    const slices: LogSlice[] = [];
    let room = maxRecords;
    for (const partition of [...partitions.slice(turn), ...partitions.slice(0, turn)]) {
      const slice = await partition.take(room).catch((error: unknown) => {
        if (!(error instanceof RecordFormatError)) throw error;
        partition.discard(`${partition.name}: ${error.message}`, performance.now());
        return null;
      });
      if (slice === null) continue;
      slices.push(slice);
      room -= slice.records.length;
    }
    turn = (turn + 1) % partitions.length;
    return slices;
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

  fetchMore();

  return {
    async next({ maxRecords, lingerMs, signal }) {
      while (!signal.aborted && !closed) {
        throwFailure();
        const due = dueIn(maxRecords, lingerMs);
        if (due === null && finished()) break;
        if (due !== 0) {
          await change(signal, due);
          continue;
        }
        const slices = await handOut(maxRecords);
        changed();
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
      closed = true;
      clearTimeout(retryTimer);
      brokers.close();
      wake();
    },
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown error');
