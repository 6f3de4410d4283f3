/** What a selection means in offsets, as far as Kafka has them now. */
import type { Span } from '../domain/spans.ts';
import { asked } from './log-coordinates.ts';
import type { LogReader, LogTimes, PartitionBounds, TopicPartition } from './ports.ts';
import type { OffsetRange, Replays } from './replay-ports.ts';

export interface RangesDeps {
  reader: Pick<LogReader, 'partitions' | 'bounds'> & LogTimes;
  replays: Pick<Replays, 'touched'>;
  /** Those that are ingested; nobody reads any other through us. */
  topics: readonly string[];
}

/** The selection can't be what was meant; the message says why, and is safe to show. */
export class InvalidSelectionError extends Error {
  override readonly name = 'InvalidSelectionError';
}

/** A span of a partition, as far as Kafka still has it. */
export interface FoundRange extends TopicPartition, Span {
  lost: number;
  topicId: string | null;
}

/** @throws InvalidSelectionError for offsets or partitions that there are not, LogUnavailableError */
export async function offsetRanges(deps: RangesDeps, ranges: readonly OffsetRange[]): Promise<FoundRange[]> {
  const all = await existing(deps, [...new Set(ranges.map(({ topic }) => topic))]);
  return ranges.flatMap(({ topic, partition, from, to }) => {
    const meant = all.filter(
      (bounds) => bounds.topic === topic && (partition ?? bounds.partition) === bounds.partition,
    );
    if (meant.length === 0) {
      throw new InvalidSelectionError(`${topic} has no partition ${partition}`);
    }
    return meant.map((bounds) => {
      const name = `${topic}[${bounds.partition}]`;
      if ((from ?? 0) > bounds.end || (to ?? 0) > bounds.end) {
        throw new InvalidSelectionError(
          `${name} has the offsets ${bounds.earliest} to ${bounds.end}, and not all that were asked for`,
        );
      }
      if (from !== undefined && to !== undefined && from >= to) {
        throw new InvalidSelectionError(`${name}: a range must end after it begins`);
      }
      return within(bounds, { from: from ?? bounds.earliest, to: to ?? bounds.end });
    });
  });
}

export type Times = { topics: readonly string[]; from?: string | undefined; to?: string | undefined };

/** @throws InvalidSelectionError, LogUnavailableError */
export async function timeRange(deps: RangesDeps, { topics, from, to }: Times): Promise<FoundRange[]> {
  if (from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to)) {
    throw new InvalidSelectionError('a range of time must end after it begins');
  }
  const all = await existing(deps, topics);
  const starts = await offsetsAt(deps, all, from);
  const ends = await offsetsAt(deps, all, to);
  return all.map((bounds, index) =>
    within(bounds, {
      from: from === undefined ? bounds.earliest : (starts[index] ?? bounds.end),
      to: ends[index] ?? bounds.end,
    }),
  );
}

/** Of each partition, in their order, the offset where a time begins; null at its end, or without a time. */
export async function offsetsAt(
  { reader }: RangesDeps,
  all: readonly TopicPartition[],
  time: string | number | undefined,
): Promise<Array<number | null>> {
  if (time === undefined) {
    return all.map(() => null);
  }
  const at = await asked(() => reader.offsetsAt(all, typeof time === 'number' ? time : Date.parse(time)));
  return all.map(
    ({ topic, partition }) =>
      at.find((found) => found.topic === topic && found.partition === partition)?.offset ?? null,
  );
}

/** @throws InvalidSelectionError for a run that read nothing, or whose topic is another by now, LogUnavailableError, WriteError */
export async function runRanges(deps: RangesDeps, runId: string): Promise<FoundRange[]> {
  const touched = await deps.replays.touched(runId);
  if (touched.length === 0) {
    throw new InvalidSelectionError(`no run ${runId} has read anything`);
  }
  const all = await existing(deps, [...new Set(touched.map(({ topic }) => topic))]);
  return touched.map(({ topic, partition, from, to, topicId, replaced }) => {
    const bounds = all.find((found) => found.topic === topic && found.partition === partition);
    const isAnother = topicId !== null && bounds?.topicId !== null && bounds?.topicId !== topicId;
    if (bounds === undefined || replaced || isAnother) {
      throw new InvalidSelectionError(`${topic}[${partition}] was deleted or made again since the run read it`);
    }
    return within(bounds, { from, to: Math.min(to, bounds.end) });
  });
}

/** What the broker has of a span; it may be empty. */
function within({ topic, partition, earliest, topicId }: PartitionBounds, { from, to }: Span): FoundRange {
  const begin = Math.max(from, earliest);
  const end = Math.max(begin, to);
  return { topic, partition, topicId, from: begin, to: end, lost: Math.max(0, Math.min(earliest, to) - from) };
}

async function existing(deps: RangesDeps, topics: readonly string[]): Promise<PartitionBounds[]> {
  const { reader } = deps;
  for (const topic of topics) {
    if (!deps.topics.includes(topic)) {
      throw new InvalidSelectionError(`${topic} is none of the topics that are ingested: ${deps.topics.join(', ')}`);
    }
  }
  const partitions = await asked(() => reader.partitions(topics));
  const missing = topics.filter((topic) => !partitions.some((partition) => partition.topic === topic));
  if (missing.length > 0) {
    throw new InvalidSelectionError(`Kafka has no topic ${missing.join(', ')}`);
  }
  return asked(() => reader.bounds(partitions));
}
