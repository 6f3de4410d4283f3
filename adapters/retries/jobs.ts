/** What the queue's jobs are called, what they carry, and how long they stay. */
import { randomUUID } from 'node:crypto';
import type { JobsOptions, Queue } from 'bullmq';
import type { DueRetry } from '../../activities/failed-ports.ts';
import type { Coordinates, EnqueueOutcome, JobBinding } from '../../activities/retry-ports.ts';

export interface RetryJob {
  failedId: number;
  attempts: number;
}

export type JobName = 'retry' | 'enqueue';
/** Without a binding, as jobs before there were any, everybody's messages are meant. */
export interface EnqueueJob extends Coordinates {
  binding?: JobBinding;
}

export type JobData = RetryJob | EnqueueJob;
export type JobResult = EnqueueOutcome | null;
export type JobQueue = Queue<JobData, JobResult, JobName>;

/** Most finished enqueue jobs that are kept to be asked for. */
const MOST_KEPT = 10_000;

/** The worker's back-off says when it is enough; servers come back at their own time. */
const COMMON = { attempts: Number.MAX_SAFE_INTEGER, backoff: { type: 'custom' } } as const satisfies JobsOptions;

/** The same retry twice is one job, since the id says which attempt of which event it is. */
export function retryJob({ failedId, attempts, dueAt }: DueRetry, now: number) {
  return {
    name: 'retry' as const,
    data: { failedId, attempts },
    opts: {
      ...COMMON,
      // BullMQ's keys are made with colons, so an id must have none.
      jobId: `failed-${failedId}-${attempts}`,
      delay: Math.max(0, Math.ceil(dueAt - now)),
      // PostgreSQL has the outcome, and a job that stayed would keep the sweep from adding it again.
      removeOnComplete: true,
      removeOnFail: true,
    },
  };
}

/** Each request is a job of its own: whoever asks hears what became of their request. */
export function enqueueJob(
  { topic, partition, offset }: Coordinates,
  delayMs: number,
  keepSeconds: number,
  binding: JobBinding,
) {
  const kept = { age: keepSeconds, count: MOST_KEPT };
  return {
    name: 'enqueue' as const,
    data: { topic, partition, offset, ...(binding !== null && { binding: [...binding] }) },
    opts: {
      ...COMMON,
      jobId: `enqueue-${randomUUID()}`,
      delay: delayMs,
      removeOnComplete: kept,
      removeOnFail: kept,
    },
  };
}
