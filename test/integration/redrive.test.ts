import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { createRedriveHarness, WIDE } from './redrive-harness.ts';

const STAGED = sql.fragment`FROM analytics.crm_leads_staging`;
const DISTINCT = sql.fragment`FROM (SELECT DISTINCT event_id FROM analytics.crm_leads_staging) staged`;

const NONE = { processed: 0, skipped: 0, filtered: 0, failed: 0, dead: 0, discarded: 0, leftOut: 0 };
const OLD = { errorCode: 'outside_retention' };

describe('a redrive by filter', { timeout: 180_000 }, () => {
  it('stages what is sound since its cause was mended, and the log shows the way', async () => {
    const product = await createRedriveHarness();
    const worker = await product.makeDeadLetters(2_500);
    const plan = await product.plan({ filter: OLD });
    expect(plan).toMatchObject({ total: 2_500, dryRun: { examined: 2_500, stage: { events: 2_500 }, fail: [] } });
    await product.mend(worker);
    const { redriveId, total } = await product.request({ filter: OLD });
    expect(total).toBe(2_500);
    const done = await product.untilStatus(redriveId, 'finished');
    expect(done.counts).toEqual({ ...NONE, processed: 2_500 });
    expect(await product.count(STAGED)).toBe(2_500);
    expect(await product.logged()).toEqual([
      { status: 'processed', retries: 1, first: 'outside_retention', events: 2_500 },
    ]);
    expect(await product.moves()).toEqual([{ cause: 'redrive', from: 'dead', to: 'processed', events: 2_500 }]);
    expect(await product.brokenBooks()).toEqual([]);
    expect(
      await product.count(sql.fragment`FROM analytics.crm_runs WHERE kind = 'redrive' AND status = 'stopped'`),
    ).toBe(1);
  });

  it('is exact when its worker is killed in the middle', async () => {
    const product = await createRedriveHarness();
    const worker = await product.mend(await product.makeDeadLetters(4_000));
    const { redriveId } = await product.request({ filter: OLD, ratePerSecond: 500 });
    await expect
      .poll(async () => (await product.get(redriveId)).counts.processed, { timeout: 60_000 })
      .toBeGreaterThan(500);
    await product.end(worker, 'SIGKILL');
    const killed = await product.count(STAGED);
    expect(killed).toBeLessThan(4_000);
    product.startWorker(WIDE);
    const done = await product.untilStatus(redriveId, 'finished');
    expect(done.counts).toEqual({ ...NONE, processed: 4_000 });
    expect(await product.count(STAGED)).toBe(4_000);
    expect(await product.count(DISTINCT)).toBe(4_000);
    expect(await product.moves()).toEqual([{ cause: 'redrive', from: 'dead', to: 'processed', events: 4_000 }]);
  });

  it('shares the events with another one that runs at the same time', async () => {
    const product = await createRedriveHarness();
    await product.mend(await product.makeDeadLetters(3_000));
    const requested = await Promise.all([
      product.request({ filter: OLD }),
      product.request({ filter: { status: 'dead' } }),
    ]);
    const done = await Promise.all(requested.map(({ redriveId }) => product.untilStatus(redriveId, 'finished')));
    const processed = done.map(({ counts }) => counts.processed ?? 0);
    expect(processed[0]! + processed[1]!).toBe(3_000);
    for (const { counts, total } of done)
      expect(counts).toEqual({ ...NONE, processed: counts.processed, leftOut: total - counts.processed! });
    expect(await product.count(STAGED)).toBe(3_000);
    expect(await product.moves()).toEqual([{ cause: 'redrive', from: 'dead', to: 'processed', events: 3_000 }]);
  });

  it('can be paused, slowed down and cancelled, and another one does the rest', async () => {
    const product = await createRedriveHarness();
    await product.mend(await product.makeDeadLetters(2_000));
    const { redriveId } = await product.request({ filter: OLD, ratePerSecond: 100 });
    await expect
      .poll(async () => (await product.get(redriveId)).counts.processed, { timeout: 60_000 })
      .toBeGreaterThan(0);
    await product.tell(redriveId, 'pause');
    const paused = await product.untilStatus(redriveId, 'paused');
    expect(paused).toMatchObject({ phase: 'paused', ratePerSecond: 100 });
    expect(await product.count(STAGED)).toBe(paused.counts.processed);
    const rated = await product.ask('PUT', `/redrives/${redriveId}/rate`, { ratePerSecond: 10 });
    expect(rated.status).toBe(200);
    await product.tell(redriveId, 'resume');
    expect(await product.untilStatus(redriveId, 'running')).toMatchObject({ ratePerSecond: 10 });
    await product.tell(redriveId, 'cancel');
    const cancelled = await product.untilStatus(redriveId, 'cancelled');
    expect(cancelled.counts.processed).toBeLessThan(2_000);
    const rest = await product.request({ filter: OLD });
    expect(rest.total).toBe(2_000 - cancelled.counts.processed!);
    await product.untilStatus(rest.redriveId, 'finished');
    expect(await product.count(STAGED)).toBe(2_000);
    expect((await product.ask('POST', `/redrives/${redriveId}/resume`)).status).toBe(409);
  });
});
