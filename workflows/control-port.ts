/**
 * What the API and the command line need of the control plane. `adapters/temporal/control.ts` implements it; nothing
 * here knows Temporal.
 */
import type {
  IngestionPhase,
  IngestionSettings,
  IngestionState,
  LaneProgress,
  PartitionId,
  SeekRequest,
  SeekResult,
} from './contracts.ts';

export interface StartOutcome {
  workflowId: string;
  /** The ingestion id that staging rows carry. */
  runId: string;
  /** False when it was running already; its settings are left as they are then. */
  started: boolean;
}

/** One lane as it is now. */
export interface LaneReport {
  lane: number;
  partitions: PartitionId[];
  /**
   * `waiting`: no worker has a free slot, or the next attempt is due at `nextAttemptAt`; `parked`: failed for a reason
   * that no retry mends, until someone resumes or seeks; `idle`: has nothing to read or is paused.
   */
  phase: 'running' | 'waiting' | 'parked' | 'idle';
  /** Attempts of the slice under way; 0 when there is none. */
  attempt: number;
  /** ISO 8601, UTC. */
  nextAttemptAt: string | null;
  /** What the lane reported last, at most a second old while it runs; null before its first report. */
  progress: LaneProgress | null;
  lastError: string | null;
}

export interface IngestionReport {
  workflowId: string;
  phase: IngestionPhase | 'never-started';
  /** Null when never started or when no worker answers. */
  settings: IngestionSettings | null;
  /** Totals of finished slices; those of the slices under way are in `lanes[].progress`. */
  state: IngestionState | null;
  lanes: LaneReport[];
  /** What keeps the ingestion from working, in words for a person; null when nothing does. */
  problem: string | null;
}

/** All methods throw ControlUnavailableError when Temporal can't be reached. */
export interface IngestionControlPort {
  /**
   * Starts the ingestion of a consumer group; one that is running is left alone, one that is stopping is waited for.
   * @throws ControlRefusedError when Temporal refuses the start, with what to do about it
   */
  start(settings: IngestionSettings): Promise<StartOutcome>;
  /**
   * Lets the batches under way commit and ends the ingestion; waits for that for at most `waitMs`.
   * Without a running ingestion it does nothing.
   * @returns whether it has ended
   */
  stop(consumerGroup: string, options?: { waitMs?: number }): Promise<{ stopped: boolean }>;
  /** Stops reading within 2 s, keeping everything else. @throws IngestionNotRunningError */
  pause(consumerGroup: string): Promise<void>;
  /** Goes on at the next offset and tries parked lanes again. @throws IngestionNotRunningError */
  resume(consumerGroup: string): Promise<void>;
  /** Deals the partitions to another number of lanes. @throws IngestionNotRunningError, ControlRefusedError */
  setLanes(consumerGroup: string, lanes: number): Promise<void>;
  /** Moves the position of one partition. @throws IngestionNotRunningError, ControlRefusedError */
  seek(consumerGroup: string, request: SeekRequest): Promise<SeekResult>;
  status(consumerGroup: string): Promise<IngestionReport>;
  /** @returns the round trip in milliseconds */
  health(): Promise<{ latencyMs: number }>;
  close(): Promise<void>;
}

/** There is no running ingestion for the consumer group. */
export class IngestionNotRunningError extends Error {
  override readonly name = 'IngestionNotRunningError';
  constructor(consumerGroup: string) {
    super(`no ingestion runs for consumer group ${consumerGroup}: start it first`);
  }
}

/** The request makes no sense or Temporal refuses it; the message says what to do. */
export class ControlRefusedError extends Error {
  override readonly name = 'ControlRefusedError';
}

/** Temporal can't be reached or no worker answers in time. */
export class ControlUnavailableError extends Error {
  override readonly name = 'ControlUnavailableError';
}
