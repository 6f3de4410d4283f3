/** The retry queue in Redis. Jobs carry only keys of rows in PostgreSQL, so a Redis that forgets all loses nothing. */
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { Queue } from 'bullmq';
import type { DueRetry, RetryScheduler } from '../../activities/failed-ports.ts';
import { type DueRetries, QueueUnavailableError, type RetryJobs } from '../../activities/retry-ports.ts';
import type { Logger } from '../../platform/logger.ts';
import { openRedis, pingRedis, type RedisTls } from './connection.ts';
import { reportOf } from './job-report.ts';
import { enqueueJob, type JobQueue, retryJob } from './jobs.ts';
import { createRetryScheduler } from './scheduler.ts';

/** Jobs that one round trip adds. */
const PAGE = 1_000;

/** Jobs by state. */
export interface RetryQueueDepth {
  waiting: number;
  delayed: number;
  active: number;
  failed: number;
}

export interface RetryQueueOptions {
  /** `redis:` or `rediss:`, with user and password where needed. */
  url: string;
  /** For `rediss:`. */
  tls?: RedisTls | null;
  name: string;
  /** What its keys begin with. */
  prefix: string;
  /** How long finished enqueue jobs can be asked for. */
  keepJobsSeconds: number;
}

export interface RetryQueue extends RetryJobs, RetryScheduler, DueRetries {
  /** @throws when Redis can't be reached */
  depth(): Promise<RetryQueueDepth>;
  /** Resolves when Redis answers. @throws when it can't be reached */
  ping(): Promise<void>;
  /** The queue as Bull Board shows it. */
  board(): BullMQAdapter;
  close(): Promise<void>;
}

/** Connects in the background, and again whenever the connection is lost. */
export function openRetryQueue(
  { url, tls = null, name, prefix, keepJobsSeconds }: RetryQueueOptions,
  logger: Logger,
): RetryQueue {
  // One more try, then the caller hears of it: behind an HTTP request nobody can wait for Redis to come back.
  const redis = openRedis(url, 1, logger, tls);
  // The version check would write to the console instead of our log.
  const queue: JobQueue = new Queue(name, { connection: redis, prefix, skipVersionCheck: true });
  // Its errors are those of the connection, which are logged there; without a listener they would end the process.
  queue.on('error', () => {});

  /** The queue itself waits for its first connection without an end. */
  async function reachable(): Promise<JobQueue> {
    await pingRedis(redis);
    return queue;
  }

  /** Does something with the queue. @throws QueueUnavailableError */
  async function using<T>(work: (jobs: JobQueue) => Promise<T>): Promise<T> {
    try {
      return await work(await reachable());
    } catch (error) {
      throw new QueueUnavailableError('Redis does not answer', { cause: error });
    }
  }

  const addDue = (retries: readonly DueRetry[]) =>
    using(async (jobs) => {
      for (let at = 0; at < retries.length; at += PAGE) {
        const now = Date.now();
        await jobs.addBulk(retries.slice(at, at + PAGE).map((retry) => retryJob(retry, now)));
      }
    });

  return {
    ...createRetryScheduler(addDue, () => redis.status === 'ready'),
    addDue,
    enqueue: (at, delayMs, binding) =>
      using(async (jobs) => {
        const { name: jobName, data, opts } = enqueueJob(at, delayMs, keepJobsSeconds, binding);
        const job = await jobs.add(jobName, data, opts);
        return { jobId: opts.jobId, runsAt: job.timestamp + delayMs };
      }),
    job: (jobId) =>
      using(async (jobs) => {
        const job = await jobs.getJob(jobId);
        return job === undefined ? null : await reportOf(job);
      }),
    async depth() {
      const counts = await (await reachable()).getJobCounts('waiting', 'delayed', 'active', 'failed');
      const { waiting = 0, delayed = 0, active = 0, failed = 0 } = counts;
      return { waiting, delayed, active, failed };
    },
    async ping() {
      await pingRedis(redis);
    },
    board: () => new BullMQAdapter(queue),
    async close() {
      // Closing the queue would wait for a connection that may never come; it holds nothing that must be written.
      redis.disconnect();
      await queue.close().catch(() => {});
    },
  };
}
