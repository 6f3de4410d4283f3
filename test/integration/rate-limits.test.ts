import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLimiters } from '../../adapters/rate-limits/limiters.ts';
import { required } from '../helpers/database.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';
import { openRelay } from './api-relay.ts';

const url = required('REDIS_URL');
const secret = randomBytes(32);

/** One API process's limiters. */
function open(options: { prefix: string; url?: string; secret?: Buffer }) {
  const logger = recordingLogger();
  const limiters = openLimiters({ url, secret, ...options }, logger);
  onTestFinished(() => limiters.close());
  return { ...limiters, logger };
}

/** Keys of a prefix and what they hold. */
async function stored(prefix: string): Promise<Map<string, string | null>> {
  const redis = new Redis(url);
  try {
    const keys = await redis.keys(`${prefix}*`);
    return new Map(await Promise.all(keys.map(async (key) => [key, await redis.get(key)] as const)));
  } finally {
    redis.disconnect();
  }
}

const anyPrefix = () => `test-${randomUUID()}`;

describe('limits in Redis', () => {
  it('are counted by all processes together, each key by itself', async () => {
    const prefix = anyPrefix();
    const [one, other] = [open({ prefix }).shared('address', 2), open({ prefix }).shared('address', 2)];
    expect(await one.take('192.0.2.7')).toMatchObject({ allowed: true, remaining: 1 });
    expect(await other.take('192.0.2.7')).toMatchObject({ allowed: true, remaining: 0 });
    const refused = await one.take('192.0.2.7');
    expect(refused).toMatchObject({ allowed: false, remaining: 0 });
    expect(refused.resetMs).toBeGreaterThan(0);
    expect(refused.resetMs).toBeLessThanOrEqual(60_000);
    expect(await one.take('192.0.2.8')).toMatchObject({ allowed: true, remaining: 1 });
  });

  it('of different kinds, installations and prefixes do not mix', async () => {
    const prefix = anyPrefix();
    const limiters = open({ prefix });
    await limiters.shared('address', 1).take('ann');
    for (const other of [
      limiters.shared('identity', 1),
      open({ prefix, secret: randomBytes(32) }).shared('address', 1),
      open({ prefix: anyPrefix() }).shared('address', 1),
    ]) {
      expect(await other.take('ann')).toMatchObject({ allowed: true });
    }
  });

  it('leave nothing there that tells whom they are of, and nothing for longer than their window', async () => {
    const prefix = anyPrefix();
    await open({ prefix }).shared('identity', 5).take('token ann.canary@example.com');
    const [[key, value] = ['', ''], ...more] = await stored(prefix);
    expect(more).toEqual([]);
    expect(key).toMatch(/^test-[\w-]+-limits:identity:[\w-]{24}$/u);
    expect(key).not.toContain('canary');
    expect(value).toBe('1');
    const redis = new Redis(url);
    const left = await redis.ttl(key);
    redis.disconnect();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(60);
  });
});

describe('without Redis', () => {
  it('each process limits what it gets itself, and says so once', async () => {
    const { shared, logger } = open({ prefix: anyPrefix(), url: 'redis://127.0.0.1:1' });
    const limiter = shared('address', 2);
    expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: true, remaining: 1 });
    expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: true, remaining: 0 });
    expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: false });
    expect(await limiter.take('192.0.2.8')).toMatchObject({ allowed: true });
    expect(logger.lines).toMatchObject([
      { level: 'warn', message: 'redis does not count requests: each API process limits what it gets itself' },
    ]);
  });

  it('that went away while it was in use, too', async () => {
    const { hostname, port } = new URL(url);
    const relay = await openRelay({ host: hostname, port: Number(port) });
    const { shared, logger } = open({ prefix: anyPrefix(), url: `redis://127.0.0.1:${relay.port}` });
    const limiter = shared('address', 1);
    expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: true });
    expect(logger.lines).toEqual([]);
    await relay.shut();
    // The process has its own count, which begins now.
    expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: true });
    expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: false });
    expect(logger.lines).toHaveLength(1);
  });

  it('that takes the connection and never answers, too', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const limiter = open({ prefix: anyPrefix(), url: `redis://127.0.0.1:${port}` }).shared('address', 1);
    expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: true });
    expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: false });
  });
});

it('limits of one process alone need no Redis', async () => {
  const { local } = open({ prefix: anyPrefix(), url: 'redis://127.0.0.1:1' });
  const limiter = local(1);
  expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: true, remaining: 0 });
  expect(await limiter.take('192.0.2.7')).toMatchObject({ allowed: false });
});
