import { setTimeout as sleep } from 'node:timers/promises';
import type {
  LogRange,
  LogReader,
  LogRecord,
  LogTimes,
  PartitionBounds,
  TopicPartition,
} from '../../activities/ports.ts';
import { explainRefusal } from '../../platform/tls-explain.ts';
import { backoffMs } from './backoff.ts';
import type { Brokers } from './brokers.ts';
import type { KafkaClient } from './client.ts';
import type { ReaderLimits, SessionLimits } from './fetching.ts';
import { PartitionReader, partitionName } from './partition-reader.ts';
import { ERROR, errorWords, TOPIC_GONE } from './protocol/errors.ts';
import { NO_TOPIC_ID, type TopicMetadata } from './protocol/metadata.ts';
import { type KafkaLogSession, openSession } from './session.ts';

export interface KafkaLogReader extends LogReader, LogTimes {
  open(...ranges: Parameters<LogReader['open']>): KafkaLogSession;
  /** Closes the connections for questions; sessions close their own. */
  close(): void;
}

const MIB = 2 ** 20;
const DEFAULT_LIMITS: ReaderLimits = { maxWaitMs: 5_000, maxBufferedBytes: 16 * MIB, maxBytesPerPartition: MIB };
const ATTEMPTS = 4;

/**
 * Reads partitions from offsets of the caller's choice, committed records alone, without a consumer group. Its questions
 * (`partitions`, `bounds`, `readOne`) are asked over connections that no fetch keeps waiting, and are asked again for
 * about a second before they fail.
 */
export function createLogReader(client: KafkaClient, options: Partial<ReaderLimits> = {}): KafkaLogReader {
  const limits = { ...DEFAULT_LIMITS, ...options };
  const brokers = client.openBrokers();
  let sessions = 0;

  const sessionLimits: SessionLimits = {
    ...limits,
    get maxBufferedBytes() {
      return limits.maxBufferedBytes / sessions;
    },
  };

  function open(ranges: readonly LogRange[]): KafkaLogSession {
    sessions += 1;
    return openSession(ranges, sessionLimits, client.openBrokers(), {
      boundsOf,
      log: client.log,
      closed: () => {
        sessions -= 1;
      },
    });
  }

  const boundsOf = async (partition: TopicPartition): Promise<PartitionBounds> => {
    const [bounds] = await boundsOfAll([partition]);
    if (bounds === undefined) throw new Error(`${partitionName(partition)}: Kafka did not tell its bounds`);
    return bounds;
  };

  const boundsOfAll = (partitions: readonly TopicPartition[]) => persistently(() => askBounds(brokers, partitions));

  return {
    open,
    partitions: (topics) => persistently(() => askPartitions(brokers, topics)),
    bounds: boundsOfAll,
    offsetsAt: (partitions, time) => persistently(() => askOffsetsAt(brokers, partitions, time)),
    readOne: (at) => persistently(() => askRecord(brokers, at)),
    close: () => brokers.close(),
  };
}

/**
 * Leaders move and connections break: asks again a few times before it gives up. A refusal of our certificate or
 * password would only come again, and may lock the user out.
 */
async function persistently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === ATTEMPTS || explainRefusal('kafka', error) !== null) throw error;
      await sleep(backoffMs(attempt));
    }
  }
}

async function askPartitions(brokers: Brokers, topics: readonly string[]): Promise<TopicPartition[]> {
  const { topics: found } = await brokers.metadata(topics);
  const existing = found.filter(({ errorCode }) => errorCode !== ERROR.UNKNOWN_TOPIC_OR_PARTITION);
  for (const topic of existing) requireNoError(topic);
  return existing
    .flatMap(({ name, partitions }) => partitions.map(({ partition }) => ({ topic: name, partition })))
    .sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
}

const requireNoError = ({ name, errorCode }: TopicMetadata) => {
  if (errorCode !== ERROR.NONE) throw new Error(`topic ${name}: ${errorWords(errorCode)}`);
};

async function askBounds(brokers: Brokers, partitions: readonly TopicPartition[]): Promise<PartitionBounds[]> {
  const leaders = await leadersOf(brokers, partitions);
  const offsets = new Map<string, { earliest: number; end: number }>();
  const answers = [...Map.groupBy(partitions, (partition) => leaders(partition).leader)].map(async ([leader, led]) => {
    const earliest = await brokers.listOffsets(leader, led, 'earliest');
    const latest = await brokers.listOffsets(leader, led, 'latest');
    for (const answer of [...earliest, ...latest]) {
      if (answer.errorCode !== ERROR.NONE) throw new Error(`${partitionName(answer)}: ${errorWords(answer.errorCode)}`);
    }
    for (const answer of earliest) offsets.set(partitionName(answer), { earliest: answer.offset, end: answer.offset });
    for (const answer of latest) {
      const bounds = offsets.get(partitionName(answer));
      if (bounds !== undefined) bounds.end = answer.offset;
    }
  });
  await Promise.all(answers);
  return partitions.map((partition) => {
    const bounds = offsets.get(partitionName(partition));
    if (bounds === undefined) throw new Error(`${partitionName(partition)}: Kafka did not tell its bounds`);
    const { topicId } = leaders(partition);
    return {
      topic: partition.topic,
      partition: partition.partition,
      ...bounds,
      topicId: topicId === NO_TOPIC_ID ? null : topicId,
    };
  });
}

async function askOffsetsAt(
  brokers: Brokers,
  partitions: readonly TopicPartition[],
  time: number,
): Promise<Array<TopicPartition & { offset: number | null }>> {
  const leaders = await leadersOf(brokers, partitions);
  const groups = [...Map.groupBy(partitions, (partition) => leaders(partition).leader)];
  const answers = await Promise.all(groups.map(([leader, led]) => brokers.listOffsets(leader, led, time)));
  return answers.flat().map(({ topic, partition, errorCode, offset }) => {
    if (errorCode !== ERROR.NONE) throw new Error(`${partitionName({ topic, partition })}: ${errorWords(errorCode)}`);
    return { topic, partition, offset: offset < 0 ? null : offset };
  });
}

/** @throws Error for a partition that does not exist or has no leader */
async function leadersOf(brokers: Brokers, partitions: readonly TopicPartition[]) {
  const { topics } = await brokers.metadata([...new Set(partitions.map(({ topic }) => topic))]);
  return (partition: TopicPartition): { leader: number; topicId: string } => {
    const topic = topics.find(({ name }) => name === partition.topic);
    if (topic === undefined || topic.errorCode === ERROR.UNKNOWN_TOPIC_OR_PARTITION) {
      throw new Error(`topic ${partition.topic} does not exist`);
    }
    requireNoError(topic);
    const found = topic.partitions.find((candidate) => candidate.partition === partition.partition);
    if (found === undefined) throw new Error(`topic ${partition.topic} has no partition ${partition.partition}`);
    if (found.leader < 0) throw new Error(`${partitionName(partition)} has no leader: its brokers are down`);
    return { leader: found.leader, topicId: topic.id };
  };
}

async function askRecord(brokers: Brokers, at: TopicPartition & { offset: number }): Promise<LogRecord | null> {
  const { leader, topicId } = (await leadersOf(brokers, [at]))(at);
  const answer = await brokers.fetch(leader, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1, // which brings one batch, of any size
    maxBytesPerPartition: 1,
    partitions: [{ ...at, topicId }],
  });
  const [fetched] = answer.partitions;
  if (fetched === undefined) throw new Error(`${partitionName(at)}: the broker sent nothing, it may be throttling`);
  if (fetched.errorCode === ERROR.OFFSET_OUT_OF_RANGE || TOPIC_GONE.includes(fetched.errorCode)) return null;
  if (fetched.errorCode !== ERROR.NONE) throw new Error(`${partitionName(at)}: ${errorWords(fetched.errorCode)}`);
  const reader = new PartitionReader({ topic: at.topic, partition: at.partition, from: at.offset, to: at.offset + 1 });
  reader.accept(fetched, 0);
  return (await reader.take({ records: 1, bytes: 1 }))?.records[0] ?? null;
}
