import { Redis } from 'ioredis';
import type { Logger } from '../../platform/logger.ts';

/** A call waits for the next two attempts to connect, so they must not be far apart. */
const LONGEST_RECONNECT_MS = 500;

/**
 * Connects in the background, and again whenever the connection is lost.
 * @param url `redis:` or `rediss:`, with user and password where needed
 * @param maxRetriesPerRequest attempts to connect that a command waits for; null to wait without an end
 */
export function openRedis(url: string, maxRetriesPerRequest: number | null, logger: Logger): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest,
    retryStrategy: (attempt) => Math.min(attempt * 50, LONGEST_RECONNECT_MS),
  });
  logConnection(redis, logger);
  return redis;
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
