import { OffsetOutOfRangeError, type PartitionBounds, type TopicPartition } from '../../activities/ports.ts';
import type { Brokers } from './brokers.ts';
import { type PartitionReader, partitionName } from './partition-reader.ts';
import { ERROR, errorWords, TOPIC_GONE } from './protocol/errors.ts';
import type { FetchedPartition } from './protocol/fetch.ts';
import type { ClusterMetadata } from './protocol/metadata.ts';
import { RecordFormatError } from './record-batch.ts';
import type { TopicIdentities } from './topic-identity.ts';

export interface ReaderLimits {
  /** Milliseconds a broker may hold a fetch open while there is nothing new. */
  maxWaitMs: number;
  /** Of fetched records that wait to be handed out, over all open sessions of a reader, which share it equally. */
  maxBufferedBytes: number;
  /** Of one partition in one fetch. A larger record gets through all the same. */
  maxBytesPerPartition: number;
}

/** The limits of one session. */
export type SessionLimits = Omit<ReaderLimits, 'maxBufferedBytes'> & {
  /** Becomes less when another session is opened: then nothing is fetched until what waits fits again. */
  readonly maxBufferedBytes: number;
};

export interface Fetching {
  /** Starts whatever can be fetched now; to be called when there is room again or a doubt is settled. */
  resume(): void;
  stop(): void;
}

interface FetchManner {
  maxBytes: number;
  maxWaitMs: number;
  /** Whether the broker holds what it has back for more. What it then brings counts as here since it was asked for. */
  lingers: boolean;
}

/** A fetch that leaves partitions out must not wait long: theirs would wait for it. */
const WAIT_BESIDE_FULL_MS = 50;
const WAIT_BESIDE_STALLED_MS = 500;
const NOTHING_RETRY_MS = 100;

/**
 * Keeps partitions filled: asks for their leaders, has one fetch under way at each, backs off where something fails.
 * Stops asking for what is full.
 */
export function startFetching(options: {
  partitions: readonly PartitionReader[];
  identities: TopicIdentities;
  limits: SessionLimits;
  brokers: Brokers;
  boundsOf(partition: TopicPartition): Promise<PartitionBounds>;
  /** How long the first record of a batch now waits for more, in milliseconds. */
  lingerMs(): number;
  /** Called after each answer and each failure. */
  changed(): void;
}): Fetching {
  const { partitions, identities, limits, brokers, boundsOf, lingerMs, changed } = options;
  /** Leaders with a fetch under way. */
  const busy = new Set<number>();
  /** Leaders whose last answer brought something. */
  const flowing = new Set<number>();
  let reservedBytes = 0;
  let fetches = 0;
  let findingLeaders = false;
  let stopped = false;
  let retryTimer: NodeJS.Timeout | undefined;

  const unread = () => partitions.filter(({ fetchedAll, topic }) => !fetchedAll && !identities.inDoubt(topic));

  function resume(): void {
    clearTimeout(retryTimer);
    if (stopped) return;
    const now = performance.now();
    const left = unread();
    const due = left.filter(({ retryAt }) => retryAt <= now);
    if (!findingLeaders && due.some(({ leader }) => leader === null)) void findLeaders();
    for (const leader of new Set(due.map((partition) => partition.leader))) {
      if (leader !== null && !busy.has(leader)) startFetch(leader, left, due);
    }
    const retryAt = Math.min(...left.map((partition) => partition.retryAt).filter((at) => at > now));
    if (Number.isFinite(retryAt)) retryTimer = setTimeout(resume, retryAt - now);
  }

  function settled(): void {
    if (stopped) return;
    changed();
    resume();
  }

  async function findLeaders(): Promise<void> {
    findingLeaders = true;
    const asking = unread().filter(({ leader }) => leader === null);
    try {
      const metadata = await brokers.metadata([...new Set(asking.map(({ topic }) => topic))]);
      for (const partition of asking) {
        const leader = leaderOf(partition, metadata);
        if (typeof leader === 'number') partition.leader = leader;
        else partition.stall(leader, performance.now());
      }
    } catch (error) {
      for (const partition of asking) partition.stall(messageOf(error), performance.now());
    }
    findingLeaders = false;
    settled();
  }

  /** Node id of the leader, or why there is none in words. */
  function leaderOf({ topic: name, partition }: PartitionReader, metadata: ClusterMetadata): number | string {
    const topic = metadata.topics.find((candidate) => candidate.name === name);
    if (topic === undefined || topic.errorCode === ERROR.UNKNOWN_TOPIC_OR_PARTITION) {
      identities.lost(name);
      return `topic ${name} does not exist`;
    }
    if (topic.errorCode !== ERROR.NONE) return `topic ${name}: ${errorWords(topic.errorCode)}`;
    identities.seen(name, topic.id);
    const leader = topic.partitions.find((candidate) => candidate.partition === partition)?.leader;
    if (leader === undefined) return `topic ${name} has no partition ${partition}`;
    return leader < 0 ? `${name}[${partition}] has no leader: its brokers are down` : leader;
  }

  function startFetch(leader: number, left: PartitionReader[], due: PartitionReader[]): void {
    const held = reservedBytes + partitions.reduce((sum, { bufferedBytes }) => sum + bufferedBytes, 0);
    const free = limits.maxBufferedBytes - held;
    if (free < limits.maxBytesPerPartition && held > 0) return;
    const share = Math.max(limits.maxBytesPerPartition, limits.maxBufferedBytes / left.length);
    const led = due.filter((partition) => partition.leader === leader);
    const wanted = led.filter(({ bufferedBytes }) => bufferedBytes < share);
    if (wanted.length === 0) return;
    wanted.sort((a, b) => a.servedBy - b.servedBy);
    let maxWaitMs = limits.maxWaitMs;
    if (left.some((partition) => partition.leader === null)) maxWaitMs = Math.min(maxWaitMs, WAIT_BESIDE_STALLED_MS);
    if (wanted.length < led.length) maxWaitMs = Math.min(maxWaitMs, WAIT_BESIDE_FULL_MS);
    const maxBytes = Math.min(Math.max(free, 1), wanted.length * limits.maxBytesPerPartition);
    const lingers = flowing.has(leader) && lingerMs() > 0 && !led.some(({ moreIsComing }) => moreIsComing);
    if (lingers) maxWaitMs = Math.min(maxWaitMs, brokerLinger(left));
    void fetch(leader, wanted, { maxBytes, maxWaitMs, lingers });
  }

  /**
   * Where records trickle in, a batch waits for more of them. The broker does that waiting: else each record would cost it
   * and us a fetch. Of several brokers each waits for half of the time, so that their answers come together in a batch.
   */
  function brokerLinger(left: readonly PartitionReader[]): number {
    const leaders = new Set(left.map(({ leader }) => leader));
    return leaders.size > 1 ? Math.ceil(lingerMs() / 2) : lingerMs();
  }

  async function fetch(leader: number, wanted: PartitionReader[], how: FetchManner): Promise<void> {
    const { maxBytes } = how;
    busy.add(leader);
    reservedBytes += maxBytes;
    try {
      await fetchOnce(leader, wanted, how);
    } catch (error) {
      for (const partition of wanted) partition.stall(messageOf(error), performance.now());
    }
    reservedBytes -= maxBytes;
    busy.delete(leader);
    settled();
  }

  async function fetchOnce(leader: number, wanted: PartitionReader[], { maxBytes, maxWaitMs, lingers }: FetchManner) {
    const askedAt = performance.now();
    const asked = new Map(wanted.map((partition) => [partition.name, { partition, offset: partition.position }]));
    const answer = await brokers.fetch(leader, {
      maxWaitMs,
      minBytes: lingers ? Math.min(maxBytes, limits.maxBytesPerPartition) : 1,
      maxBytes,
      maxBytesPerPartition: limits.maxBytesPerPartition,
      partitions: [...asked.values()].map(({ partition: { topic, partition }, offset }) => ({
        topic,
        topicId: identities.idOf(topic),
        partition,
        offset,
      })),
    });
    if (answer.errorCode !== ERROR.NONE) throw new Error(errorWords(answer.errorCode));
    fetches += 1;
    const allEmpty = answer.partitions.every(({ recordSet }) => recordSet.length === 0);
    if (allEmpty) flowing.delete(leader);
    else flowing.add(leader);
    const arrivedAt = lingers ? askedAt : performance.now();
    for (const fetched of answer.partitions) {
      const { partition, offset } = asked.get(partitionName(fetched)) ?? {};
      // What waited may have been discarded meanwhile: this answer would leave a hole.
      if (partition === undefined || partition.position !== offset) continue;
      if (fetched.errorCode === ERROR.NONE) takeIn(partition, fetched, arrivedAt);
      else await fail(partition, fetched.errorCode);
      // Committed offsets follow, but the broker can't bring them just now (tiered storage) and does not wait either.
      if (allEmpty && offset < fetched.lastStableOffset) partition.retryAt = performance.now() + NOTHING_RETRY_MS;
    }
  }

  function takeIn(partition: PartitionReader, fetched: FetchedPartition, arrivedAt: number): void {
    try {
      const brought = partition.accept(fetched, arrivedAt);
      if (brought === 'progress') partition.servedBy = fetches;
      // First in the next request, where a batch of any size is sent whole.
      if (brought === 'cut off') partition.servedBy = 0;
    } catch (error) {
      if (!(error instanceof RecordFormatError)) throw error;
      partition.markDamaged(`${partition.name} at offset ${partition.position}: ${error.message}`, performance.now());
    }
  }

  async function fail(partition: PartitionReader, errorCode: number): Promise<void> {
    if (errorCode === ERROR.OFFSET_OUT_OF_RANGE) {
      const at = { topic: partition.topic, partition: partition.partition, offset: partition.position };
      const bounds = await boundsOf(at);
      const outside = at.offset < bounds.earliest || at.offset > bounds.end;
      if (outside) partition.failure = new OffsetOutOfRangeError(at, bounds);
    }
    if (TOPIC_GONE.includes(errorCode)) identities.lost(partition.topic);
    partition.stall(`${partition.name}: ${errorWords(errorCode)}`, performance.now());
  }

  resume();

  return {
    resume,
    stop() {
      stopped = true;
      clearTimeout(retryTimer);
      brokers.close();
    },
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown error');
