/**
 * Which ranges a lane holds and where they stand: claiming them, checking that the log under them is still the same,
 * and moving them when it is not.
 */
import type { EventFilter } from '../domain/event-filter.ts';
import type { LaneInput, OutOfRangePolicy, PartitionId } from '../workflows/contracts.ts';
import { fingerprintOf } from './ingest.ts';
import type { LaneConnection } from './lane-connection.ts';
import { asked } from './log-coordinates.ts';
import type {
  ClaimedRange,
  LaneObserver,
  LogReader,
  OffsetOutOfRangeError,
  PartitionBounds,
  TopicPartition,
  WriteMode,
} from './ports.ts';

/** What a lane reads: partitions without an end as they are dealt to it, or some ranges under a scope of their own. */
export interface LaneWork extends LaneInput {
  /** Left out for partitions as a whole. One range for each partition. */
  ranges?: {
    /** Keys the positions; the run id. */
    scope: string;
    /** Exclusive end. */
    parts: ReadonlyArray<PartitionId & { from: number; to: number; sourceId: number }>;
  };
  /** Only the records of this schema (0: those that name none); the others count as absent. */
  schemaId?: number;
  /** `ingest` unless it says otherwise. */
  mode?: WriteMode;
  /** Only the events that fit; the others count as absent. */
  only?: EventFilter | null;
}

/** The topic of a range was deleted, or made again: what it held is gone. */
export class LogReplacedError extends Error {
  override readonly name = 'LogReplacedError';
  constructor({ topic, partition }: TopicPartition) {
    super(`${topic}[${partition}] is another log than the one that the range is of`);
  }
}

export interface LaneRanges {
  /** Takes the ranges over; those without a position begin where the input says. */
  claim(): Promise<void>;
  /**
   * Checks each held range against the log, and moves those whose topic was made again.
   * @throws LogReplacedError where it is a range with an end
   */
  verify(): Promise<void>;
  /**
   * Applies the policy to a position that the log doesn't have (any more).
   * @throws OffsetOutOfRangeError under the policy `fail`
   */
  outOfRange(error: OffsetOutOfRangeError): Promise<void>;
  /** @throws Error for a partition that the lane doesn't hold */
  of(at: TopicPartition): ClaimedRange;
  held(): readonly ClaimedRange[];
  /** Whether every range has an end and stands at it. */
  finished(): boolean;
  advance(at: TopicPartition, next: number): void;
}

export interface LaneRangesDeps {
  reader: LogReader;
  connection: LaneConnection;
  observer: LaneObserver;
  /** Who takes the leases, for people. */
  owner: string;
}

const key = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;

export function createLaneRanges(deps: LaneRangesDeps, input: LaneWork): LaneRanges {
  const { reader, connection, observer } = deps;
  const held = new Map<string, ClaimedRange>();
  const scope = input.ranges?.scope ?? input.consumerGroup;

  function of(at: TopicPartition): ClaimedRange {
    const range = held.get(key(at));
    if (range === undefined) {
      throw new Error(`${at.topic}[${at.partition}] is not held by this lane`);
    }
    return range;
  }

  async function claim(): Promise<void> {
    const positions = await connection.positions();
    const bounds = new Map((await asked(() => reader.bounds(input.partitions))).map((found) => [key(found), found]));
    const topicIdOf = (at: TopicPartition) => bounds.get(key(at))?.topicId ?? null;
    const claimed = await positions.claim({
      scope,
      runId: input.runId,
      owner: deps.owner,
      ranges:
        input.ranges?.parts.map(({ topic, partition, from, to }) => ({
          topic,
          partition,
          initial: from,
          topicId: topicIdOf({ topic, partition }),
          rangeStart: from,
          endOffset: to,
        })) ??
        input.partitions.map(({ topic, partition }) => ({
          topic,
          partition,
          initial: startOf(bounds.get(key({ topic, partition })), input.startPosition),
          topicId: topicIdOf({ topic, partition }),
          rangeStart: 0,
          endOffset: null,
        })),
    });
    held.clear();
    for (const range of claimed) {
      held.set(key(range), range);
    }
    for (const part of input.ranges?.parts ?? []) {
      if (of(part).sourceId !== part.sourceId) {
        throw new LogReplacedError(part);
      }
    }
  }

  async function verify(): Promise<void> {
    const bounds = new Map((await asked(() => reader.bounds([...held.values()]))).map((found) => [key(found), found]));
    for (const range of [...held.values()]) {
      const now = bounds.get(key(range));
      if (now !== undefined && (await isAnotherLog(range, now))) {
        await startOver(range, now);
      }
    }
  }

  /**
   * The topic's id tells. Before Kafka 2.8 there is none; then the record that we last wrote does: another one at its
   * offset, or a log that ends before our position, is another log. A record that retention or compaction took away
   * proves nothing.
   */
  async function isAnotherLog(range: ClaimedRange, now: PartitionBounds): Promise<boolean> {
    if (range.topicId !== null && now.topicId !== null) {
      return range.topicId !== now.topicId;
    }
    if (range.nextOffset > now.end) {
      return input.outOfRange !== 'fail';
    }
    if (range.last === null || range.last.offset < now.earliest) {
      return false;
    }
    const { topic, partition } = range;
    const { offset } = range.last;
    const record = await asked(() => reader.readOne({ topic, partition, offset }));
    if (record === null) {
      return false;
    }
    const found = fingerprintOf(record);
    return found.timestamp !== range.last.timestamp || found.checksum !== range.last.checksum;
  }

  async function startOver(range: ClaimedRange, now: PartitionBounds): Promise<void> {
    if (range.endOffset !== null) {
      throw new LogReplacedError(range);
    }
    const positions = await connection.positions();
    const { topic, partition } = range;
    const again = await positions.reincarnate(
      range,
      { from: now.earliest, topicId: now.topicId },
      { scope, runId: input.runId, owner: deps.owner },
    );
    held.set(key(range), again);
    observer.incident('topic_made_again', { topic, partition, from: range.nextOffset, to: now.earliest });
  }

  async function outOfRange(error: OffsetOutOfRangeError): Promise<void> {
    const range = of(error.at);
    const { topic, partition } = range;
    const { earliest, end } = error.bounds;
    if (input.outOfRange === 'fail') {
      observer.incident('offset_out_of_range', { topic, partition, from: range.nextOffset, to: null });
      throw error;
    }
    if (range.nextOffset > end && (range.topicId === null || range.topicId !== error.bounds.topicId)) {
      // Beyond the end: no retention does that, the log is another one.
      await startOver(range, error.bounds);
      return;
    }
    const to = Math.min(targetOf(input.outOfRange, earliest, end), range.endOffset ?? Number.POSITIVE_INFINITY);
    const positions = await connection.positions();
    held.set(key(range), await positions.jump(range, to, 'retention', input.runId));
    observer.incident('offsets_lost', { topic, partition, from: range.nextOffset, to });
  }

  return {
    claim,
    verify,
    outOfRange,
    of,
    held: () => [...held.values()],
    finished: () =>
      [...held.values()].every(({ nextOffset, endOffset }) => endOffset !== null && nextOffset >= endOffset),
    advance: (at, next) => {
      held.set(key(at), { ...of(at), nextOffset: next });
    },
  };
}

function startOf(bounds: PartitionBounds | undefined, start: LaneInput['startPosition']): number {
  if (bounds === undefined) {
    return 0;
  }
  return start === 'earliest' ? bounds.earliest : bounds.end;
}

function targetOf(policy: Exclude<OutOfRangePolicy, 'fail'>, earliest: number, end: number): number {
  return policy === 'earliest' ? earliest : end;
}
