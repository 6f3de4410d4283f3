/** The retry queue in Redis. Jobs carry only keys of rows in PostgreSQL, so a Redis that forgets all loses nothing. */
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from '../../platform/logger.ts';

export const RETRY_QUEUE = 'crm-ingestion-retries';

/** A call waits for the next two attempts to connect, so they must not be far apart. */
const LONGEST_RECONNECT_MS = 500;

/** Jobs by state. */
export interface RetryQueueDepth {
  waiting: number;
  delayed: number;
  active: number;
  failed: number;
}

export interface RetryQueue {
  /** @throws when Redis can't be reached */
  depth(): Promise<RetryQueueDepth>;
  /** Resolves when Redis answers. @throws when it can't be reached */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Connects in the background, and again whenever the connection is lost.
 * @param options.url `redis:` or `rediss:`, with user and password where needed
 */
export function openRetryQueue(options: { url: string; name?: string }, logger: Logger): RetryQueue {
  // One more try, then the caller hears of it: behind an HTTP request nobody can wait for Redis to come back.
  const redis = new Redis(options.url, {
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(attempt * 50, LONGEST_RECONNECT_MS),
  });
  logConnection(redis, logger);
  // The version check would write to the console instead of our log.
  const queue = new Queue(options.name ?? RETRY_QUEUE, { connection: redis, skipVersionCheck: true });
  // Its errors are those of the connection, which are logged above; without a listener they would end the process.
  queue.on('error', () => {});
  return {
    async depth() {
      // The queue itself waits for its first connection without an end.
      await redis.ping();
      const counts = await queue.getJobCounts('waiting', 'delayed', 'active', 'failed');
      const { waiting = 0, delayed = 0, active = 0, failed = 0 } = counts;
      return { waiting, delayed, active, failed };
    },
    async ping() {
      await redis.ping();
    },
    async close() {
      // Closing the queue would wait for a connection that may never come; it holds nothing that must be written.
      redis.disconnect();
      await queue.close().catch(() => {});
    },
  };
}

/** One line when the connection is lost and one when it is back, however often it is tried between. */
function logConnection(redis: Redis, logger: Logger): void {
  let lost = false;
  redis.on('error', (error: Error) => {
    if (!lost) logger.warn('redis can not be reached', { error });
    lost = true;
  });
  redis.on('ready', () => {
    if (lost) logger.info('redis can be reached again');
    lost = false;
  });
}
