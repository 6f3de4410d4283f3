import { setTimeout as delay } from 'node:timers/promises';
import { type Job, Worker } from 'bullmq';
import { FailedMeanwhileError } from '../../activities/failed-ports.ts';
import { LogIdentityError, LogUnavailableError, RegistryUnavailableError, WriteError } from '../../activities/ports.ts';
import type { Coordinates, EnqueueOutcome, JobBinding } from '../../activities/retry-ports.ts';
import type { Logger } from '../../platform/logger.ts';
import { openRedis, type RedisTls } from './connection.ts';
import type { EnqueueJob, JobData, JobName, JobResult, RetryJob } from './jobs.ts';

export interface RetryWorkerOptions {
  url: string;
  /** For `rediss:`. */
  tls?: RedisTls | null;
  /** Of the queue. */
  name: string;
  prefix: string;
  /** Jobs at a time. */
  concurrency: number;
  /** Jobs begun in a second, over all workers of the queue. */
  ratePerSecond: number;
}

/** All may throw the errors of their servers: the job is tried again then, and no event is charged. */
export interface RetryHandlers {
  retry(job: RetryJob, signal: AbortSignal): Promise<void>;
  enqueue(at: Coordinates, binding: JobBinding, signal: AbortSignal): Promise<EnqueueOutcome>;
  /** Why a job could not be done, in safe words; null when one was done. */
  onTrouble(reason: string | null): void;
}

export interface RetryWorker {
  /**
   * Takes no more jobs, ends all waits for servers, and gives what is being written so long to finish; what has not by
   * then is seen as stalled and taken over by another worker.
   */
  close(withinMs: number): Promise<void>;
}

/** A worker that died is noticed after so long, in milliseconds; one that lives renews its lock twice as often. */
const LOCK_MS = 10_000;
const LOOK_FOR_STALLED_MS = 5_000;
/** A job that took so many workers with it is given up; the sweep brings a retry back, a minute later. */
const MAX_STALLED = 3;

/** Waits between tries of a job while a server is in trouble, in milliseconds. */
const TROUBLE = { first: 1_000, longest: 30_000 };
/** An error that no server is to blame for is a defect: no number of tries helps. */
const DEFECT_TRIES = 3;

const SERVER_ERRORS = [
  WriteError,
  RegistryUnavailableError,
  LogUnavailableError,
  LogIdentityError,
  FailedMeanwhileError,
];

/** What Redis and the log may know of an error: a foreign error's message and stack could quote a row or a record. */
class JobError extends Error {
  override readonly name = 'JobError';
  readonly isDefect: boolean;
  constructor(reason: string, isDefect: boolean) {
    super(reason);
    this.isDefect = isDefect;
    this.stack = reason;
  }
}

/** Starts working off the queue; waits for Redis while it can't be reached. */
export function openRetryWorker(options: RetryWorkerOptions, handlers: RetryHandlers, logger: Logger): RetryWorker {
  const { url, tls = null, name, prefix, concurrency, ratePerSecond } = options;
  const redis = openRedis(url, null, logger, tls);
  const stop = new AbortController();

  async function work({ name: kind, data }: Job<JobData, JobResult, JobName>): Promise<JobResult> {
    try {
      const result = kind === 'retry' ? await retry(data as RetryJob) : await enqueue(data as EnqueueJob);
      handlers.onTrouble(null);
      return result;
    } catch (error) {
      throw jobErrorOf(error);
    }
  }

  async function retry(job: RetryJob): Promise<null> {
    await handlers.retry(job, stop.signal);
    return null;
  }

  const enqueue = ({ binding = null, ...at }: EnqueueJob) => handlers.enqueue(at, binding, stop.signal);

  function jobErrorOf(error: unknown): JobError {
    if (stop.signal.aborted) {
      return new JobError('the worker shut down', false);
    }
    if (error instanceof Error && SERVER_ERRORS.some((known) => error instanceof known)) {
      handlers.onTrouble(error.message);
      return new JobError(error.message, false);
    }
    const reason = `unexpected ${error instanceof Error ? error.name : 'error'}`;
    logger.error('a job of the retry queue failed', { reason, at: placeOf(error) });
    return new JobError(reason, true);
  }

  const worker = new Worker<JobData, JobResult, JobName>(name, work, {
    connection: redis,
    prefix,
    concurrency,
    limiter: { max: ratePerSecond, duration: 1_000 },
    lockDuration: LOCK_MS,
    stalledInterval: LOOK_FOR_STALLED_MS,
    maxStalledCount: MAX_STALLED,
    settings: { backoffStrategy: (attempts, _type, error) => waitAfter(attempts, error) },
    skipVersionCheck: true,
  });
  // Errors of the connection are logged where it is opened, those of jobs above; without a listener the process ends.
  worker.on('error', () => {});

  return {
    async close(withinMs) {
      stop.abort();
      await Promise.race([worker.close(), delay(withinMs, undefined, { ref: false })]);
      redis.disconnect();
    },
  };
}

/** Where a foreign error comes from, without its message: the topmost stack frame. */
function placeOf(error: unknown): string | null {
  const frames = error instanceof Error ? (error.stack ?? '').split('\n') : [];
  return frames.find((line) => /^\s+at /u.test(line))?.trim() ?? null;
}

/** @returns milliseconds until a failed job's next try; BullMQ takes -1 for never */
function waitAfter(attempts: number, error: Error | undefined): number {
  if (error instanceof JobError && error.isDefect && attempts >= DEFECT_TRIES) {
    return -1;
  }
  const longest = Math.min(TROUBLE.longest, TROUBLE.first * 2 ** (attempts - 1));
  return Math.round(longest / 2 + (Math.random() * longest) / 2);
}
