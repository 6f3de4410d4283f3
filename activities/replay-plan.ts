/** What a replay is to read, resolved to ranges with fixed ends. */
import { divideSpan, mergeSpans, type Span } from '../domain/spans.ts';
import { type Files, FileUnavailableError, InvalidFileError } from './file-ports.ts';
import { asked } from './log-coordinates.ts';
import {
  type LogReader,
  type LogTimes,
  LogUnavailableError,
  type PartitionBounds,
  type TopicPartition,
} from './ports.ts';
import type { OffsetRange, PlannedRange, ReplayRequest, ReplaySelection, Replays, TopicIds } from './replay-ports.ts';

export interface ReplayPlanDeps {
  reader: Pick<LogReader, 'partitions' | 'bounds'> & LogTimes;
  replays: Pick<Replays, 'touched'>;
  files: Files;
  /** Those that are ingested; nobody reads any other through us. */
  topics: readonly string[];
  /** In bytes. */
  chunkBytes: number;
}

export interface ReplayPlan {
  /** What one lane reads at a time, in the order in which it is begun: a range of each of some partitions. */
  parts: PlannedRange[][];
  topicIds: TopicIds;
}

export interface PlanControl {
  signal: AbortSignal;
  /** Told how far it is, in words without payload. */
  onProgress(where: string): void;
}

/** The selection can't be what was meant; the message says why, and is safe to show. */
export class InvalidSelectionError extends Error {
  override readonly name = 'InvalidSelectionError';
}

/** Offsets of a part: to begin one must cost nothing beside reading it, and lanes shall end at about the same time. */
const PART = { least: 50_000, most: 1_000_000 };
const PARTS_PER_LANE = 2;
const HOUR_MS = 3_600_000;
/** More windows than anybody means. */
const MOST_WINDOWS = 10_000;

/**
 * @throws InvalidSelectionError for what can't be read
 * @throws LogUnavailableError, FileUnavailableError, WriteError: try again
 */
export async function planReplay(
  deps: ReplayPlanDeps,
  { selection, lanes }: Pick<ReplayRequest, 'selection' | 'lanes'>,
  control: PlanControl,
): Promise<ReplayPlan> {
  switch (selection.by) {
    case 'offsets':
      return inOrder([await offsetRanges(deps, selection.ranges)], lanes);
    case 'time':
      return inOrder([await timeRange(deps, selection)], lanes);
    case 'run':
      return inOrder([await runRanges(deps, selection.runId)], lanes);
    case 'windows':
      return inOrder(await windows(deps, selection, control), lanes);
    case 'files':
      return filesPlan(deps, selection, control);
  }
}

/** A span of a partition, as far as Kafka still has it. */
interface Found extends TopicPartition, Span {
  lost: number;
  topicId: string | null;
}

async function offsetRanges(deps: ReplayPlanDeps, ranges: readonly OffsetRange[]): Promise<Found[]> {
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

type Times = { topics: readonly string[]; from?: string | undefined; to?: string | undefined };

async function timeRange(deps: ReplayPlanDeps, { topics, from, to }: Times): Promise<Found[]> {
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

/** Of each partition the offset where a time begins; null at its end, or without a time. */
async function offsetsAt(
  { reader }: ReplayPlanDeps,
  all: readonly PartitionBounds[],
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

async function runRanges(deps: ReplayPlanDeps, runId: string): Promise<Found[]> {
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
function within({ topic, partition, earliest, topicId }: PartitionBounds, { from, to }: Span): Found {
  const begin = Math.max(from, earliest);
  const end = Math.max(begin, to);
  return { topic, partition, topicId, from: begin, to: end, lost: Math.max(0, Math.min(earliest, to) - from) };
}

async function existing(deps: ReplayPlanDeps, topics: readonly string[]): Promise<PartitionBounds[]> {
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

/** @param windows are read one after the other, or are the only one */
function inOrder(windows: ReadonlyArray<readonly Found[]>, lanes: number): ReplayPlan {
  const found = windows.flat();
  const offsets = found.reduce((sum, { from, to }) => sum + to - from, 0);
  const size = Math.min(Math.max(Math.ceil(offsets / (lanes * PARTS_PER_LANE)), PART.least), PART.most);
  return {
    parts: windows.flatMap((window) => dealt(inTurn(window, size), size)),
    topicIds: new Map(found.map(({ topic, topicId }) => [topic, topicId])),
  };
}

/** Pieces of all partitions in turn, so that lanes seldom read the same partition at once. */
function inTurn(found: readonly Found[], size: number): PlannedRange[] {
  const pieces = [...Map.groupBy(found, ({ topic, partition }) => `${topic}/${partition}`).values()].flatMap((same) => {
    const [{ topic, partition, from }] = same as [Found];
    const lost = same.reduce((sum, span) => sum + span.lost, 0);
    const spans = mergeSpans(same.filter((span) => span.to > span.from)).flatMap((span) => divideSpan(span, size));
    // What is lost is told with the first piece, also of a range that is deleted as a whole.
    const told = spans.length === 0 && lost > 0 ? [{ from, to: from }] : spans;
    return told.map((span, turn) => ({
      turn,
      range: { topic, partition, ...span, lost: turn === 0 ? lost : 0, file: null },
    }));
  });
  return pieces.toSorted((a, b) => a.turn - b.turn).map(({ range }) => range);
}

/** Puts pieces together to parts of about a size, each with one range of a partition at most. */
function dealt(pieces: readonly PlannedRange[], size: number): PlannedRange[][] {
  const parts: PlannedRange[][] = [];
  let taken = new Set<string>();
  let offsets = 0;
  for (const piece of pieces) {
    const key = `${piece.topic}/${piece.partition}`;
    const length = piece.to - piece.from;
    if (parts.length === 0 || taken.has(key) || offsets + length > size) {
      parts.push([]);
      taken = new Set();
      offsets = 0;
    }
    parts.at(-1)?.push(piece);
    taken.add(key);
    offsets += length;
  }
  return parts;
}

/** The windows of all partitions, in the order that was asked for. */
async function windows(
  deps: ReplayPlanDeps,
  selection: Extract<ReplaySelection, { by: 'windows' }>,
  { onProgress, signal }: PlanControl,
): Promise<Found[][]> {
  const { topics, order, windowHours, from, to } = selection;
  const whole = (await timeRange(deps, { topics, from, to })).filter((range) => range.to > range.from);
  const all = await existing(deps, topics);
  const spans: Found[][] = [];
  let rest = whole;
  const begin = from === undefined ? await firstTime(deps, whole) : Date.parse(from);
  const end = to === undefined ? Date.now() : Date.parse(to);
  if ((end - begin) / (windowHours * HOUR_MS) > MOST_WINDOWS) {
    throw new InvalidSelectionError(`more than ${MOST_WINDOWS} windows: make them larger, or say from when on`);
  }
  for (let at = begin + windowHours * HOUR_MS; at < end; at += windowHours * HOUR_MS) {
    signal.throwIfAborted();
    onProgress(new Date(at).toISOString());
    const ends = await offsetsAt(deps, all, at);
    const cut = (range: Found) => {
      const index = all.findIndex(({ topic, partition }) => topic === range.topic && partition === range.partition);
      return Math.min(Math.max(ends[index] ?? range.to, range.from), range.to);
    };
    spans.push(rest.map((range) => ({ ...range, to: cut(range) })).filter((range) => range.to > range.from));
    rest = rest.map((range) => ({ ...range, from: cut(range), lost: 0 }));
  }
  spans.push(rest.filter((range) => range.to > range.from));
  return order === 'oldest-first' ? spans : spans.toReversed();
}

/** When the oldest of the records that are there was written, roughly: the search is by hours, days and years. */
async function firstTime(deps: ReplayPlanDeps, whole: readonly Found[]): Promise<number> {
  const now = Date.now();
  if (whole.length === 0) {
    return now;
  }
  const bounds = await asked(() => deps.reader.bounds(whole));
  const isBefore = async (time: number) => {
    const at = await offsetsAt(deps, bounds, time);
    return at.every((offset, index) => offset !== null && offset <= (whole[index]?.from ?? 0));
  };
  let age = HOUR_MS;
  while (now - age > 0 && !(await isBefore(now - age))) {
    age *= 2;
  }
  return Math.max(0, now - age);
}

async function filesPlan(
  { files, chunkBytes }: ReplayPlanDeps,
  { location, reading }: Extract<ReplaySelection, { by: 'files' }>,
  { signal, onProgress }: PlanControl,
): Promise<ReplayPlan> {
  const parts: PlannedRange[][] = [];
  const topicIds = new Map<string, string>();
  try {
    for (const file of await files.list(location, reading.format, signal)) {
      const report = (bytes: number) => onProgress(`${file.uri}: ${bytes} of ${file.bytes} bytes`);
      const { uri, topic, version, stamp, chunks } = await files.scan(file, reading, {
        chunkBytes,
        onProgress: report,
        signal,
      });
      topicIds.set(topic, version);
      for (const { from, to, byte } of chunks) {
        const opened = { uri, topic, version, stamp, reading, chunks: [{ from, to, byte }] };
        parts.push([{ topic, partition: 0, from, to, lost: 0, file: opened }]);
      }
    }
  } catch (error) {
    if (error instanceof InvalidFileError) throw new InvalidSelectionError(error.message);
    if (error instanceof FileUnavailableError) throw new LogUnavailableError(error.message);
    throw error;
  }
  return { parts, topicIds };
}
