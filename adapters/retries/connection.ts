import { Redis } from 'ioredis';
import type { Logger } from '../../platform/logger.ts';
import { outliveAlerts } from '../../platform/tls-alerts.ts';
import { explainRefusal, suspectRefusal } from '../../platform/tls-explain.ts';

/** A call waits for the next two attempts to connect, so they must not be far apart. */
const LONGEST_RECONNECT_MS = 500;

/** PEM texts; null for the public authorities, and without a client certificate. */
export interface RedisTls {
  ca: string | null;
  cert: string | null;
  key: string | null;
}

/**
 * Connects in the background, and again whenever the connection is lost.
 * @param url `redis:` or `rediss:`, with user and password where needed
 * @param maxRetriesPerRequest attempts to connect that a command waits for; null to wait without an end
 * @param tls with what to speak TLS, for `rediss:`
 */
export function openRedis(
  url: string,
  maxRetriesPerRequest: number | null,
  logger: Logger,
  tls: RedisTls | null = null,
): Redis {
  const redis = new Redis(url, {
    ...(tls !== null && { tls: certificates(tls) }),
    maxRetriesPerRequest,
    retryStrategy: (attempt) => Math.min(attempt * 50, LONGEST_RECONNECT_MS),
  });
  logConnection(redis, logger);
  // BullMQ's workers wait for jobs over a second connection.
  const duplicate = redis.duplicate.bind(redis);
  redis.duplicate = (options) => {
    const second = duplicate(options);
    outliveAlerts(second);
    return second;
  };
  outliveAlerts(redis);
  return redis;
}

function certificates({ ca, cert, key }: RedisTls) {
  return { ...(ca !== null && { ca }), ...(cert !== null && { cert }), ...(key !== null && { key }) };
}

/** What broke a connection that is not back yet: ioredis itself tells of the number of its attempts alone. */
const broken = new WeakMap<Redis, Error>();

/** Resolves when Redis answers. @throws Error with what broke the connection as its cause */
export async function pingRedis(redis: Redis): Promise<void> {
  try {
    await redis.ping();
  } catch (error) {
    throw new Error('Redis does not answer', { cause: broken.get(redis) ?? error });
  }
}

/** One line when the connection is lost and one when it is back, however often it is tried between. */
function logConnection(redis: Redis, logger: Logger): void {
  let lost = false;
  redis.on('error', (error: Error) => {
    const reason = explainRefusal('redis', error) ?? suspectRefusal('redis', error);
    if (!lost) logger.warn('redis can not be reached', { error, ...(reason !== null && { reason }) });
    lost = true;
    broken.set(redis, error);
  });
  redis.on('ready', () => {
    if (lost) logger.info('redis can be reached again');
    lost = false;
    broken.delete(redis);
  });
}
