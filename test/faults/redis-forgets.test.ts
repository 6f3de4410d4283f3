import { describe, expect, it, vi } from 'vitest';
import { required } from '../helpers/database.ts';
import { inForm } from '../helpers/faults/parameters.ts';
import { ids } from '../helpers/wire-leads.ts';
import { createRetryHarness } from '../integration/retries-harness.ts';

const RETRIES = inForm({ test: 2_000, short: 10_000, long: 10_000 });
const SOON = { timeout: 30_000, interval: 50 };

/**
 * FLUSHDB on a database of this file's own: FLUSHALL would also take the queues of other tests from the Redis they
 * share. For one queue it is the same.
 */
const OWN_DATABASE = String(1 + (process.pid % 15));

describe('a Redis that forgets everything', () => {
  it(`in the middle of ${RETRIES.toLocaleString('en-US')} retries loses none`, async () => {
    const url = new URL(required('REDIS_URL'));
    url.pathname = `/${OWN_DATABASE}`;
    const harness = await createRetryHarness({ RETRY_RATE_PER_SECOND: '100000', RETRY_CONCURRENCY: '16' }, url.href);
    const retries = [
      ...(await harness.failLeads(ids('a', RETRIES / 2))),
      ...(await harness.failLeads(ids('b', RETRIES / 2))),
    ];
    harness.queue.schedule(retries);
    await vi.waitUntil(async () => (await harness.queue.depth()).waiting === RETRIES, SOON);
    harness.startWorker();
    await vi.waitUntil(async () => ((await harness.statuses()).resolved ?? 0) > RETRIES / 10, SOON);
    await harness.redis.flushdb();
    expect((await harness.statuses()).failed).toBeGreaterThan(RETRIES / 10);
    await harness.sweep();
    await expect.poll(harness.statuses, { timeout: 240_000, interval: 200 }).toEqual({ resolved: RETRIES });
    expect(await harness.count('crm_leads_staging')).toBe(RETRIES);
  }, 300_000);
});
