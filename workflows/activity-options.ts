import type { ActivityOptions } from '@temporalio/workflow';
import {
  BACKGROUND_TASK_QUEUE,
  type IngestionSettings,
  LANE_TASK_QUEUE,
  NON_RETRYABLE,
  REPLAY_TASK_QUEUE,
} from './contracts.ts';
import { ERASURE_NON_RETRYABLE } from './erasure-contracts.ts';
import { MAX_REPLAY_SLICE_MS, REPLAY_NON_RETRYABLE } from './replay-contracts.ts';

/** The watch and the mirror run for so long each time, in milliseconds, so that they hardly appear in the history. */
export const LONG_RUN_MS = 3_600_000;

/** What a long activity may take beyond its planned time before the server gives it to another worker. */
const GRACE_MS = 60_000;

/** Servers come back at their own time: no number of attempts is enough. */
const UNTIL_IT_WORKS = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s' } as const;

export function laneOptions(settings: IngestionSettings): ActivityOptions {
  return {
    taskQueue: LANE_TASK_QUEUE,
    startToCloseTimeout: settings.sliceMs + GRACE_MS,
    heartbeatTimeout: settings.laneTimeoutMs,
    // Heartbeat timeout plus the longest interval is how long a crashed worker's partitions can stand still.
    retry: { ...UNTIL_IT_WORKS, maximumInterval: '8s', nonRetryableErrorTypes: [...NON_RETRYABLE] },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  };
}

const LONG_RUN: ActivityOptions = {
  startToCloseTimeout: LONG_RUN_MS + GRACE_MS,
  heartbeatTimeout: '10s',
  retry: UNTIL_IT_WORKS,
};

export const watchOptions: ActivityOptions = { ...LONG_RUN, cancellationType: 'TRY_CANCEL' };

/** Waited for, so that the final positions are published before the ingestion ends. */
export const mirrorOptions: ActivityOptions = { ...LONG_RUN, cancellationType: 'WAIT_CANCELLATION_COMPLETED' };

export const startRunOptions: ActivityOptions = {
  startToCloseTimeout: '30s',
  retry: UNTIL_IT_WORKS,
  cancellationType: 'TRY_CANCEL',
};

/** A person waits for these, and nobody should wait forever. */
export const boundedOptions: ActivityOptions = {
  startToCloseTimeout: '15s',
  scheduleToCloseTimeout: '60s',
  retry: UNTIL_IT_WORKS,
};

/** The next sweep comes in a minute anyway, so no attempt may hold it up for long. */
export const sweepOptions: ActivityOptions = {
  startToCloseTimeout: '5m',
  heartbeatTimeout: '10s',
  retry: { ...UNTIL_IT_WORKS, maximumAttempts: 3 },
};

/** One slice of a replay of parked ranges. */
export const parkedReplayOptions: ActivityOptions = {
  taskQueue: BACKGROUND_TASK_QUEUE,
  startToCloseTimeout: 60_000 + GRACE_MS,
  heartbeatTimeout: '10s',
  retry: UNTIL_IT_WORKS,
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
};

/** The short steps of an audit. */
export const auditOptions: ActivityOptions = {
  taskQueue: BACKGROUND_TASK_QUEUE,
  startToCloseTimeout: '30s',
  retry: UNTIL_IT_WORKS,
};

/** Partitions and ledgers of any size; one that can't be counted in so many attempts won't be. */
export const auditPartOptions: ActivityOptions = {
  taskQueue: BACKGROUND_TASK_QUEUE,
  startToCloseTimeout: '6h',
  heartbeatTimeout: '30s',
  retry: { ...UNTIL_IT_WORKS, maximumAttempts: 100 },
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
};

/** One slice of a redrive. */
export const redriveSliceOptions: ActivityOptions = {
  taskQueue: BACKGROUND_TASK_QUEUE,
  startToCloseTimeout: 20_000 + GRACE_MS,
  heartbeatTimeout: '10s',
  retry: { ...UNTIL_IT_WORKS, nonRetryableErrorTypes: ['UnknownRedrive'] },
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
};

/** PostgreSQL must know how a redrive ended, however long that takes. One statement; a worker that is gone costs so long. */
export const moveRedriveOptions: ActivityOptions = { startToCloseTimeout: '10s', retry: UNTIL_IT_WORKS };

/** Looks at every file or partition that is asked for, however many there are. */
export const planReplayOptions: ActivityOptions = {
  taskQueue: BACKGROUND_TASK_QUEUE,
  startToCloseTimeout: '24h',
  heartbeatTimeout: '30s',
  retry: { ...UNTIL_IT_WORKS, nonRetryableErrorTypes: [...REPLAY_NON_RETRYABLE] },
};

/** One slice of a part of a replay; compressed files take longer ones. */
export const replaySliceOptions: ActivityOptions = {
  taskQueue: REPLAY_TASK_QUEUE,
  startToCloseTimeout: MAX_REPLAY_SLICE_MS + GRACE_MS,
  heartbeatTimeout: '10s',
  retry: { ...UNTIL_IT_WORKS, maximumInterval: '8s', nonRetryableErrorTypes: [...REPLAY_NON_RETRYABLE] },
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
};

/** PostgreSQL must know how a replay ended, however long that takes. The report is made with the last word. */
export const moveReplayOptions: ActivityOptions = { startToCloseTimeout: '5m', retry: UNTIL_IT_WORKS };

/** Of a run of partition maintenance: its beginning and its end, which PostgreSQL must know of. */
export const maintenanceOptions: ActivityOptions = { startToCloseTimeout: '1m', retry: UNTIL_IT_WORKS };

/** One step of it. What does not work now is tried again the next day. */
export const maintenanceStepOptions: ActivityOptions = {
  taskQueue: BACKGROUND_TASK_QUEUE,
  startToCloseTimeout: '12h',
  heartbeatTimeout: '10s',
  retry: { ...UNTIL_IT_WORKS, maximumAttempts: 10 },
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
};

/** A step of an erasure goes through everything there is, however long that takes. */
export const erasureOptions: ActivityOptions = {
  taskQueue: BACKGROUND_TASK_QUEUE,
  startToCloseTimeout: '24h',
  heartbeatTimeout: '2m', // one statement can take a minute
  retry: { ...UNTIL_IT_WORKS, nonRetryableErrorTypes: [...ERASURE_NON_RETRYABLE] },
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
};

/** PostgreSQL must forget whom a failed erasure was about, however long that takes. */
export const erasureEndOptions: ActivityOptions = { startToCloseTimeout: '1m', retry: UNTIL_IT_WORKS };
