/** What crosses Temporal for replays and backfills: ids, numbers and counts. What was asked for is in PostgreSQL alone. */
import type { LaneTotals } from './contracts.ts';

/** One workflow for each replay or backfill. */
export function replayWorkflowId(replayId: string): string {
  return `crm-replay:${replayId}`;
}

/** More would only wait for PostgreSQL. */
export const MAX_REPLAY_LANES = 64;
/** More would say "as fast as possible" in another way. */
export const MAX_REPLAY_RATE = 1_000_000;

/** How fast a replay may go; changed while it runs. */
export interface ReplaySpeed {
  lanes: number;
  /** Events per second over all lanes; null for as fast as it goes. */
  ratePerSecond: number | null;
}

export interface ReplayInput extends ReplaySpeed {
  replayId: string;
  consumerGroup: string;
  /** Absent at the first start. */
  state?: ReplayState;
}

export interface ReplayState {
  /** That it was divided into: what one lane reads at a time. */
  parts: number;
  /** The first part that was never begun. */
  next: number;
  /** Parts that were begun and are not finished; where each stands PostgreSQL knows. */
  open: number[];
  finished: number;
  paused: boolean;
  /** Of finished slices; the counts in PostgreSQL are exact. */
  totals: LaneTotals;
  /** Time that it was at work, without pauses, in milliseconds. */
  workedMs: number;
}

export type ReplayPhase = 'planning' | 'running' | 'pausing' | 'paused' | 'cancelling' | 'cancelled' | 'finished';

export interface ReplayProgress extends ReplaySpeed {
  phase: ReplayPhase;
  parts: number;
  finished: number;
  totals: LaneTotals;
  workedMs: number;
}

export interface ReplayPlanInput {
  replayId: string;
}

export interface ReplayPlanned {
  parts: number;
}

/** The longest that a slice may take, in milliseconds: a compressed file is read from its start each time. */
export const MAX_REPLAY_SLICE_MS = 6 * 3_600_000;

export interface ReplaySliceInput {
  replayId: string;
  consumerGroup: string;
  part: number;
  /** Events per second of this slice alone. */
  ratePerSecond: number | null;
  /** In milliseconds. */
  sliceMs: number;
}

export interface ReplaySliceResult {
  /** The part was read to its end. */
  finished: boolean;
  totals: LaneTotals;
}

export type ReplayMove = 'running' | 'paused' | 'finished' | 'cancelled' | 'failed';

export interface ReplayMoveInput {
  replayId: string;
  to: ReplayMove;
  /** Why it failed, in safe words. */
  reason?: string;
}

/** Error types that no retry mends. */
export const REPLAY_NON_RETRYABLE = ['UnknownReplay', 'InvalidSelection', 'LogReplaced', 'OffsetOutOfRange'] as const;
