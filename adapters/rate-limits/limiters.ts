/** Counts requests in Redis, for all API processes together, and in this process alone while Redis can't be asked. */
import { createHmac } from 'node:crypto';
import { Redis } from 'ioredis';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Logger } from '../../platform/logger.ts';
import { outliveAlerts } from '../../platform/tls-alerts.ts';

export interface LimitersOptions {
  /** `redis:` or `rediss:`, with user and password where needed. */
  url: string;
  /** PEM texts, for `rediss:`; null for the public authorities, and without a client certificate. */
  tls?: { ca: string | null; cert: string | null; key: string | null } | null;
  /** What keys in Redis begin with. */
  prefix: string;
  /** Of the installation: what is limited can't be told from keys without it. */
  secret: Buffer;
}

const WINDOW_SECONDS = 60;
/** Requests wait for the count, so that a Redis that hangs must not hold them up. */
const ANSWER_MS = 250;
/** How long a Redis that did not answer is left alone. */
const PAUSE_MS = 5_000;
const LONGEST_RECONNECT_MS = 1_000;
/** Characters of a key, of six bits each. */
const KEY_LENGTH = 24;

/** Connects in the background, and again whenever the connection is lost. */
export function openLimiters({ url, tls = null, prefix, secret }: LimitersOptions, logger: Logger) {
  const redis = new Redis(url, {
    ...(tls !== null && { tls: { ca: tls.ca ?? undefined, cert: tls.cert ?? undefined, key: tls.key ?? undefined } }),
    maxRetriesPerRequest: 0,
    commandTimeout: ANSWER_MS,
    connectTimeout: 2_000,
    retryStrategy: (attempt) => Math.min(attempt * 50, LONGEST_RECONNECT_MS),
  });
  // Without a listener an error would end the process; what it means is said below, once.
  redis.on('error', () => {});
  outliveAlerts(redis);
  let pausedUntil = 0;
  let isDown = false;

  function pause(error: unknown): void {
    pausedUntil = performance.now() + PAUSE_MS;
    if (!isDown) logger.warn('redis does not count requests: each API process limits what it gets itself', { error });
    isDown = true;
  }

  function answered(): void {
    if (isDown) logger.info('redis counts requests again');
    isDown = false;
  }

  function shared(name: string, perMinute: number) {
    const keyPrefix = `${prefix}-limits:${name}`;
    const window = { points: perMinute, duration: WINDOW_SECONDS };
    const inRedis = new RateLimiterRedis({ ...window, storeClient: redis, keyPrefix });
    // The library's own insurance would neither tell of the trouble nor leave a Redis that hangs alone.
    const inMemory = new RateLimiterMemory(window);
    const hashed = (key: string) =>
      createHmac('sha256', secret).update(`${name}\n${key}`).digest('base64url').slice(0, KEY_LENGTH);
    return {
      quota: perMinute,
      async take(key: string) {
        const hash = hashed(key);
        if (performance.now() < pausedUntil) return count(inMemory, hash);
        try {
          const taken = await count(inRedis, hash);
          answered();
          return taken;
        } catch (error) {
          pause(error);
          return count(inMemory, hash);
        }
      },
    };
  }

  return {
    shared,
    local: createLocalLimiter,
    close: async () => redis.disconnect(),
  };
}

/** Counts in this process alone. */
export function createLocalLimiter(perMinute: number) {
  const limiter = new RateLimiterMemory({ points: perMinute, duration: WINDOW_SECONDS });
  return { quota: perMinute, take: (key: string) => count(limiter, key) };
}

/** The library rejects with the same class for a request too many as it resolves with otherwise. */
async function count(limiter: RateLimiterAbstract, key: string) {
  try {
    return taken(await limiter.consume(key), true);
  } catch (refused) {
    if (refused instanceof RateLimiterRes) return taken(refused, false);
    throw refused;
  }
}

function taken({ remainingPoints, msBeforeNext }: RateLimiterRes, allowed: boolean) {
  return { allowed, remaining: remainingPoints, resetMs: Math.max(1, msBeforeNext) };
}
