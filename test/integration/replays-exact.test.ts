import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { createReplayHarness } from './replays-harness.ts';

const EVENTS = 8_000;

describe('exactly once', { timeout: 300_000 }, () => {
  it('holds for overlapping replays beside live ingestion of the same ranges', async () => {
    const product = await createReplayHarness();
    const { topic, control, settings, request, untilStatus } = product;
    await product.produceLeads('a', EVENTS);
    product.startWorker();
    const [one, other] = await Promise.all([
      request({ topics: [topic], ratePerSecond: null }),
      request({ ranges: [{ topic, from: 500, to: 3_500 }], ratePerSecond: null }),
      control.start(settings),
    ]);
    const [first, second] = await Promise.all([one, other].map(({ replayId }) => untilStatus(replayId, 'finished')));
    await expect.poll(() => product.lag(), { timeout: 60_000 }).toBe(0);
    expect([first?.done, second?.done]).toEqual([EVENTS, 6_000]);
    expect(await product.staged()).toEqual({ rows: EVENTS, ids: EVENTS });
    expect(await product.count(sql.fragment`FROM analytics.crm_event_ledger`)).toBe(EVENTS);
    expect((await product.statuses()).processed).toBe(EVENTS);
    const stored = await product.pool.oneFirst(
      sql.unsafe`SELECT sum(stored)::int AS stored FROM analytics.crm_batches`,
    );
    expect(stored).toBe(EVENTS);
    expect(await product.brokenBooks()).toEqual([]);
  });

  it('holds when the worker is killed in the middle, and the next goes on at the exact offset', async () => {
    const product = await createReplayHarness();
    await product.produceLeads('a', EVENTS);
    const worker = product.startWorker();
    const { replayId } = await product.request({ topics: [product.topic], ratePerSecond: 2_000 });
    await product.untilDone(replayId, 1_000);
    // Another one is there already, so that recovery is not the start of a process.
    product.startWorker();
    await product.end(worker, 'SIGKILL');
    const { rows } = await product.staged();
    expect(rows).toBeLessThan(EVENTS);
    const { report, counts } = await product.untilStatus(replayId, 'finished');
    expect(counts).toMatchObject({ stored: EVENTS, skipped: 0, failed: 0, dead: 0 });
    expect(report?.totals.stored).toBe(EVENTS);
    expect(await product.staged()).toEqual({ rows: EVENTS, ids: EVENTS });
    expect(await product.statuses()).toEqual({ processed: EVENTS });
    expect(await product.brokenBooks()).toEqual([]);
  });
});
