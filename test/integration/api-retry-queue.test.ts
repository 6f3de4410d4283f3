import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openRetryQueue, type RetryQueue } from '../../adapters/retries/queue.ts';
import { createHealth } from '../../platform/health.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';
import { closedPort, openRelay } from './api-relay.ts';

const REDIS_URL = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
const REDIS = new URL(REDIS_URL);

const cleanUps: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function opened(url: string, name = `test-${randomUUID()}`) {
  const logger = recordingLogger();
  const queue: RetryQueue = openRetryQueue({ url, name, prefix: 'test', keepJobsSeconds: 60 }, logger);
  cleanUps.push(() => queue.close());
  return { queue, logger, name };
}

describe('the retry queue', () => {
  it('counts its jobs by state', async () => {
    const { queue, name } = opened(REDIS_URL);
    const redis = new Redis(REDIS_URL);
    const filler = new Queue(name, { connection: redis, prefix: 'test' });
    cleanUps.push(async () => {
      await filler.obliterate({ force: true });
      await filler.close();
      redis.disconnect();
    });
    expect(await queue.depth()).toEqual({ waiting: 0, delayed: 0, active: 0, failed: 0 });
    await filler.add('retry', { failedId: 1 });
    await filler.add('retry', { failedId: 2 });
    await filler.add('retry', { failedId: 3 }, { delay: 3_600_000 });
    expect(await queue.depth()).toEqual({ waiting: 2, delayed: 1, active: 0, failed: 0 });
  });

  it('fails instead of waiting while Redis is down, logs it once, and finds it when it is there', async () => {
    const port = await closedPort();
    const { queue, logger } = opened(`redis://127.0.0.1:${port}`);
    await expect(queue.depth()).rejects.toThrow();
    await expect(queue.depth()).rejects.toThrow();
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn']);

    const relay = await openRelay({ host: REDIS.hostname, port: Number(REDIS.port || 6379) }, port);
    cleanUps.push(() => relay.shut());
    await vi.waitFor(() => queue.ping(), { timeout: 20_000, interval: 50 });
    expect(await queue.depth()).toEqual({ waiting: 0, delayed: 0, active: 0, failed: 0 });
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn', 'info']);
  });

  it('can be closed though Redis was never there', async () => {
    const port = await closedPort();
    const { queue } = opened(`redis://127.0.0.1:${port}`);
    await queue.close();
  });
});

describe('health over the real Redis', () => {
  it('is up with a latency, and down without it', async () => {
    const { queue } = opened(REDIS_URL);
    const { queue: lost } = opened(`redis://127.0.0.1:${await closedPort()}`);
    const report = await createHealth(
      {
        redis: { needed: true, check: () => queue.ping() },
        lost: { needed: false, check: () => lost.ping() },
      },
      { logger: recordingLogger() },
    ).report();
    expect(report.status).toBe('degraded');
    expect(report.checks.redis).toEqual({ status: 'up', needed: true, latencyMs: expect.any(Number) });
    expect(report.checks.lost?.status).toBe('down');
  });
});
