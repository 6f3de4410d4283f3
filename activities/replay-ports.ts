/** Requests to read ranges of logs or files, and how they went, as PostgreSQL keeps them. */
import type { DryRunFindings } from '../domain/dry-run-findings.ts';
import type { EventFilter } from '../domain/event-filter.ts';
import type { LaneTotals } from '../workflows/contracts.ts';
import type { ReplayMove, ReplaySpeed } from '../workflows/replay-contracts.ts';
import type { FileLocation, FileReading, OpenedFile } from './file-ports.ts';
import type { LaneStore, TopicPartition, WriteMode } from './ports.ts';

/** A piece of a topic; what is left out has no limit. */
export interface OffsetRange {
  topic: string;
  /** All of them when left out. */
  partition?: number | undefined;
  from?: number | undefined;
  /** Exclusive. */
  to?: number | undefined;
}

/** Times are ISO 8601, and mean the timestamps of the records. */
export type ReplaySelection =
  | { by: 'offsets'; ranges: readonly OffsetRange[] }
  | { by: 'time'; topics: readonly string[]; from?: string | undefined; to?: string | undefined }
  /** Whatever an earlier run read. */
  | { by: 'run'; runId: string }
  /** Whole topics, window after window. */
  | {
      by: 'windows';
      topics: readonly string[];
      order: 'oldest-first' | 'newest-first';
      windowHours: number;
      from?: string | undefined;
      to?: string | undefined;
    }
  | { by: 'files'; location: FileLocation; reading: FileReading };

export type ReplayMode = WriteMode | 'dry-run';

export interface ReplayRequest extends ReplaySpeed {
  kind: 'replay' | 'backfill';
  source: 'kafka' | 'files';
  mode: ReplayMode;
  selection: ReplaySelection;
  /** null for every event of the selection. */
  filter: EventFilter | null;
}

export type ReplayStatus = 'planning' | ReplayMove;

export interface Replay extends ReplayRequest {
  replayId: string;
  status: ReplayStatus;
  /** Why it failed. */
  reason: string | null;
  /** Offsets in its parts. */
  total: number;
  /** Offsets that were asked for and had been deleted by Kafka's retention when it was planned. */
  lost: number;
  report: ReplayReport | null;
  requestedBy: string;
  /** ISO 8601, as all times here. */
  requestedAt: string;
  startedAt: string | null;
  finishedAt: string | null;
}

/** A range of a part, which is what one lane reads at a time. */
export interface ReplayRange extends TopicPartition {
  sourceId: number;
  from: number;
  /** Exclusive. */
  to: number;
  /** Offsets before `from` that were asked for and are deleted. */
  lost: number;
  /** How a file is read; null for a partition of Kafka. */
  file: OpenedFile | null;
}

export type PlannedRange = Omit<ReplayRange, 'sourceId'>;

export interface PlanControl {
  signal: AbortSignal;
  /** Told how far it is, in words without payload. */
  onProgress(where: string): void;
}

/** Where a run has read: ranges that touch are one. */
export interface TouchedRange extends TopicPartition {
  sourceId: number;
  /** The cluster's id of the topic, null before Kafka 2.8. */
  topicId: string | null;
  /** Whether the topic was made again since. */
  replaced: boolean;
  from: number;
  to: number;
}

export interface PartitionReport extends TopicPartition {
  from: number;
  to: number;
  /** The next offset to read: `to` where it was read to the end. */
  next: number;
  lost: number;
  counts: Required<LaneTotals>;
  /** Offsets that retention deleted while it ran. */
  jumpedOver: number;
  /** Of the records themselves, ISO 8601; null where they have none. */
  firstTimestamp: string | null;
  lastTimestamp: string | null;
}

export interface ReplayReport {
  partitions: PartitionReport[];
  totals: Required<LaneTotals>;
  lost: number;
  /** Events that failed in it: the first of them. */
  failures: Array<TopicPartition & { offset: number; failedId: number; code: string }>;
  seconds: number;
  offsetsPerSecond: number;
  /** Only of a dry run. */
  findings: DryRunFindings | null;
}

export interface ReplayStanding {
  /** Offsets that were read or jumped over. */
  done: number;
  total: number;
  counts: Required<LaneTotals>;
}

/** Every method @throws WriteError when PostgreSQL can't be reached. */
export interface Replays {
  create(request: ReplayRequest & { replayId: string; requestedBy: string }): Promise<Replay>;
  get(replayId: string): Promise<Replay | null>;
  /** The newest first. */
  list(limit: number): Promise<Replay[]>;
  /** Keeps its parts, in order; those of an earlier attempt to plan it are replaced. Does nothing once it was begun. */
  divide(replayId: string, parts: ReadonlyArray<readonly PlannedRange[]>, topicIds: TopicIds): Promise<number>;
  /** Its ranges, each of another partition; none when there is no such part. */
  part(replayId: string, part: number): Promise<ReplayRange[]>;
  setSpeed(replayId: string, speed: ReplaySpeed): Promise<void>;
  /** Keeps why it can't go on, where no history keeps it: names of files may be personal. */
  explain(replayId: string, reason: string): Promise<void>;
  /** Moves one that has not ended; one that ends gets its report. */
  move(replayId: string, to: ReplayMove, reason: string | null): Promise<void>;
  standing(replayId: string): Promise<ReplayStanding>;
  /** What a run has read, of sources that are known. */
  touched(runId: string): Promise<TouchedRange[]>;
  /** Offsets per second of the last replays that finished; null without any. */
  usualSpeed(): Promise<number | null>;
  /** What a lane of a dry run works with: its positions are the parts, and it writes findings alone. */
  openDryLane(replayId: string): Promise<LaneStore>;
}

/** Ids of the topics, or versions of the files, that the parts are of. */
export type TopicIds = ReadonlyMap<string, string | null>;

/** How far live reading is behind. */
export interface LiveLag {
  /** Records, over the partitions whose positions moved within the last seconds. @throws WriteError, LogUnavailableError */
  events(): Promise<number>;
}
