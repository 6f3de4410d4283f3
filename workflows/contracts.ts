/**
 * Everything that crosses Temporal: names, JSON-safe inputs and results, id builders. Positions and counts only, never
 * a payload, since all of it is kept in histories. Names and shapes live in running histories: extend, don't change.
 */
import { addCounts } from '../domain/counts.ts';

/** Workflows and control activities; lanes have their own queue so that they can't starve the control plane. */
export const CONTROL_TASK_QUEUE = 'crm-ingestion';
export const LANE_TASK_QUEUE = 'crm-ingestion-lanes';
/** Long work beside live reading: redrives, replays of parked ranges, audits. Its few slots can't slow the lanes down. */
export const BACKGROUND_TASK_QUEUE = 'crm-ingestion-background';

/** Lanes of replays and backfills: slots of their own, so that neither live lanes nor redrives wait for them. */
export const REPLAY_TASK_QUEUE = 'crm-ingestion-replays';

/** One ingestion workflow per consumer group. */
export function ingestionWorkflowId(consumerGroup: string): string {
  return `crm-ingestion:${consumerGroup}`;
}

/** One sweep per consumer group; its schedule is called so, and Temporal adds the time for each run. */
export function sweepId(consumerGroup: string): string {
  return `crm-ingestion-sweep:${consumerGroup}`;
}

/** One workflow for each request to redrive or discard failed events. */
export function redriveWorkflowId(redriveId: string): string {
  return `crm-redrive:${redriveId}`;
}

/** Tells which lane a pending activity is, also before its first heartbeat. */
export function laneActivityId(lane: number): string {
  return `lane-${lane}`;
}

/** The lane of an activity, or null when it is none. */
export function laneOfActivityId(activityId: string): number | null {
  const [, lane] = /^lane-(\d+)$/u.exec(activityId) ?? [];
  return lane === undefined ? null : Number(lane);
}

/** Search attributes of type Keyword, by which the Temporal UI and CLI find workflows. */
export const SEARCH_ATTRIBUTES = {
  consumerGroup: 'CrmConsumerGroup',
  runId: 'CrmRunId',
  phase: 'CrmPhase',
  /** Of a redrive or replay that is limited to one. */
  organization: 'CrmOrganization',
} as const;

export interface PartitionId {
  topic: string;
  partition: number;
}

export type StartPosition = 'earliest' | 'latest';
export type OutOfRangePolicy = 'earliest' | 'latest' | 'fail';

/** What a user chooses when starting; kept across continue-as-new. */
export interface IngestionSettings {
  consumerGroup: string;
  topics: string[];
  /** How many lanes read side by side; more than partitions is pointless. */
  lanes: number;
  /** Where a partition without a position begins. */
  startPosition: StartPosition;
  outOfRange: OutOfRangePolicy;
  /** How long one lane activity runs before it hands over, in milliseconds. */
  sliceMs: number;
  /** A lane silent for so long is taken over by another worker, in milliseconds. */
  laneTimeoutMs: number;
}

export interface LaneTotals {
  stored: number;
  /** Duplicates, and deliveries that were known before. */
  skipped: number;
  /** Of `skipped`: same event id with other content or another organization. */
  conflicts: number;
  filtered: number;
  failed: number;
  dead: number;
  tombstones: number;
  absent: number;
  /** Left in Kafka as ranges. Absent in histories from before there were any. */
  parked?: number;
  /** Of `skipped`: rows that a replay restored or wrote again. Absent likewise. */
  changed?: number;
}

export interface IngestionState {
  runId: string;
  startedAt: string;
  paused: boolean;
  partitions: PartitionId[];
  /** Lane number → what it reads. Sticky: a partition moves only when lanes change. */
  assignments: PartitionId[][];
  /** Lanes that failed for a reason no retry mends; resume, a seek or a new deal tries them again. */
  parked: ParkedLane[];
  /** Of finished slices. A crash can leave out what a lane wrote after its last heartbeat; the chain in PostgreSQL is exact. */
  totals: LaneTotals;
  slices: number;
  lastError: string | null;
}

export interface ParkedLane {
  lane: number;
  reason: string;
}

export interface IngestionInput {
  settings: IngestionSettings;
  /** Absent at the first start. */
  state?: IngestionState;
}

export type IngestionPhase = 'starting' | 'running' | 'pausing' | 'paused' | 'stopping' | 'stopped';

export interface IngestionStatus {
  phase: IngestionPhase;
  settings: IngestionSettings;
  state: IngestionState;
}

export interface SeekRequest {
  topic: string;
  partition: number;
  /** An offset, or the partition's log start or end. */
  to: number | 'earliest' | 'latest';
}

export interface SeekResult {
  topic: string;
  partition: number;
  from: number;
  to: number;
}

export interface RunInput {
  runId: string;
  consumerGroup: string;
}

export interface SeekInput extends RunInput {
  request: SeekRequest;
}

export interface WatchInput {
  topics: string[];
  /** Ordered by topic and partition. */
  known: PartitionId[];
  /** Returns after this time even when nothing changed, in milliseconds. */
  durationMs: number;
}

export interface MirrorInput {
  consumerGroup: string;
  /** Returns after this time, in milliseconds. */
  durationMs: number;
}

export interface LaneInput {
  runId: string;
  lane: number;
  consumerGroup: string;
  partitions: PartitionId[];
  startPosition: StartPosition;
  outOfRange: OutOfRangePolicy;
  sliceMs: number;
}

export interface LaneResult {
  /** `finished`: ranges with an end were read to it. */
  reason: 'slice-ended' | 'cancelled' | 'finished';
  totals: LaneTotals;
  /** Next offset of each partition when the lane stopped. */
  watermarks: Array<PartitionId & { next: number }>;
}

export interface SweepInput {
  consumerGroup: string;
}

/** One replay at a time of what was parked of a stream. */
export function parkedReplayWorkflowId(consumerGroup: string, { topic, schemaId }: StreamRef): string {
  return `crm-parked:${consumerGroup}:${topic}:${schemaId}`;
}

/** One replay at a time of what waits of an organization in a topic. */
export function quotaReplayWorkflowId(consumerGroup: string, of: { topic: string; organizationId: string }): string {
  return `crm-over-quota:${consumerGroup}:${of.topic}:${of.organizationId}`;
}

export interface StreamRef {
  topic: string;
  /** 0 for messages that name no schema. */
  schemaId: number;
}

/** Streams of which something is parked that may be read again. */
export interface ReadyStreams {
  ready: StreamRef[];
}

/** Organizations of which something waits in a topic that their quotas have room for again. */
export interface ReadyQuotas {
  ready: Array<{ topic: string; organizationId: string }>;
}

export interface ParkedReplayRequest extends StreamRef {
  /** What is over the quota of this organization, whatever its schema; without it what is parked of the stream. */
  organizationId?: string;
  consumerGroup: string;
  /** How long one activity reads, in milliseconds. */
  sliceMs: number;
  /** Of earlier runs of the workflow. */
  totals?: LaneTotals;
}

export interface ParkedReplayInput extends ParkedReplayRequest {
  runId: string;
}

export interface ParkedReplayResult {
  /** Nothing of the stream is parked any more. */
  finished: boolean;
  totals: LaneTotals;
}

/** What one step of a sweep did, in numbers alone. */
export type SweepCounts = Record<string, number>;

/** What a lane heartbeats; shown by status and the Temporal UI. */
export interface LaneProgress {
  lane: number;
  worker: string;
  totals: LaneTotals;
  watermarks: Array<PartitionId & { next: number; end: number }>;
  /** Why it waits, null when it does not. */
  trouble: string | null;
}

/** Error types that no retry can mend: the workflow surfaces them at once. */
export const NON_RETRYABLE = ['OffsetOutOfRange', 'InvalidLaneInput'] as const;

export const NO_TOTALS: Required<LaneTotals> = {
  stored: 0,
  skipped: 0,
  conflicts: 0,
  filtered: 0,
  failed: 0,
  dead: 0,
  tombstones: 0,
  absent: 0,
  parked: 0,
  changed: 0,
};

export function addTotals(a: LaneTotals, b: LaneTotals): LaneTotals {
  return addCounts({ ...NO_TOTALS, ...a }, b);
}

export type RedriveAction = 'redrive' | 'discard';

/** What became of the events that a redrive took up. */
export interface RedriveCounts {
  processed: number;
  skipped: number;
  filtered: number;
  /** Wait for a retry again. */
  failed: number;
  /** Dead letters still. */
  dead: number;
  discarded: number;
  /** Matched but were not tried: claimed by somebody else meanwhile, or redriven too often in vain. */
  leftOut: number;
}

/** What to redrive is in PostgreSQL alone. */
export interface RedriveInput {
  redriveId: string;
  action: RedriveAction;
  /** Most events in a second. */
  ratePerSecond: number;
  /** Absent at the first start. */
  state?: RedriveState;
}

export interface RedriveState {
  /** Events up to this id are done. */
  after: number;
  /** Of finished slices; the counts in PostgreSQL are exact. */
  counts: RedriveCounts;
  paused: boolean;
  /** Time that finished slices took, in milliseconds. */
  workedMs: number;
}

export type RedrivePhase = 'running' | 'pausing' | 'paused' | 'cancelling' | 'cancelled' | 'finished';

export interface RedriveProgress {
  phase: RedrivePhase;
  ratePerSecond: number;
  counts: RedriveCounts;
  /** Time that it was at work, without pauses, in milliseconds. */
  workedMs: number;
}

export interface RedriveSliceInput {
  redriveId: string;
  after: number;
  ratePerSecond: number;
  /** In milliseconds. */
  sliceMs: number;
}

export interface RedriveSliceResult {
  after: number;
  counts: RedriveCounts;
  /** Nothing is left to do. */
  done: boolean;
}

/** What a slice heartbeats: the next attempt goes on from there. */
export interface RedriveSliceProgress {
  after: number;
  counts: RedriveCounts;
  /** Why it waits, null when it does not. */
  trouble: string | null;
}

export interface RedriveMoveInput {
  redriveId: string;
  to: 'running' | 'paused' | 'finished' | 'cancelled' | 'failed';
}

export const NO_REDRIVE_COUNTS: RedriveCounts = {
  processed: 0,
  skipped: 0,
  filtered: 0,
  failed: 0,
  dead: 0,
  discarded: 0,
  leftOut: 0,
};

/** One workflow for each audit. */
export function auditWorkflowId(auditId: string): string {
  return `crm-audit:${auditId}`;
}

/** What is to be proved is in PostgreSQL alone. */
export interface AuditInput {
  auditId: string;
  consumerGroup: string;
}

export interface AuditPartitionInput extends AuditInput, PartitionId {}

/** What is found is in PostgreSQL alone. */
export interface AuditVerdict {
  verdict: 'clean' | 'findings';
  partitions: number;
  findings: number;
}
