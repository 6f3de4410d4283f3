import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { produce } from '../helpers/lane-harness.ts';
import { createReplayHarness } from './replays-harness.ts';

const EVENTS = 4_000;

describe('a replay', { timeout: 180_000 }, () => {
  it('is paused and resumed at the exact offset, changes its speed, and is cancelled with a report', async () => {
    const product = await createReplayHarness();
    const { topic, get, tell } = product;
    await product.produceLeads('a', EVENTS);
    product.startWorker();
    const { replayId } = await product.request({ topics: [topic], ratePerSecond: 400, lanes: 2 });
    await product.untilDone(replayId, 100);
    await tell(replayId, 'pause');
    const paused = await product.untilStatus(replayId, 'paused');
    expect(paused).toMatchObject({ phase: 'paused', ratePerSecond: 400, estimatedEnd: null });
    expect(await product.count(sql.fragment`FROM analytics.crm_leads_staging`)).toBe(paused.done);

    await product.answer(200, 'PUT', `/replays/${replayId}/rate`, { ratePerSecond: 200, lanes: 1 });
    await tell(replayId, 'resume');
    await product.untilDone(replayId, paused.done + 50);
    expect(await get(replayId)).toMatchObject({ status: 'running', ratePerSecond: 200, lanes: 1 });
    await tell(replayId, 'cancel');
    const { report, done } = await product.untilStatus(replayId, 'cancelled');
    expect(done).toBeLessThan(EVENTS);
    expect(report).toMatchObject({ lost: 0, failures: [], totals: { stored: done, skipped: 0 } });
    expect(await product.staged()).toEqual({ rows: done, ids: done });
    expect(await product.brokenBooks()).toEqual([]);
    await product.answer(409, 'POST', `/replays/${replayId}/resume`);
  });

  it('reports what retention had deleted, first and last times, and where events failed', async () => {
    const product = await createReplayHarness();
    const { topic, kafka, produceLeads } = product;
    const began = Date.UTC(2026, 9, 1);
    await produceLeads('a', 100, { timestamp: (index) => began + index * 1_000 });
    const poison = { topic, partition: 1, key: 'x', value: Buffer.from('unreadable'), timestamp: began + 200_000 };
    await produce(kafka, [poison]);
    const admin = kafka.kafka.admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topic); // deleteTopicRecords needs the metadata that this loads
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '20' }] });
    await admin.disconnect();
    product.startWorker();
    const ranges = [
      { topic, partition: 0, from: 5 },
      { topic, partition: 1, from: 10 },
    ];
    const plan = await product.answer(200, 'POST', '/replays/plan', { ranges });
    expect(plan).toMatchObject({ offsets: 30 + 41, lost: 15 });
    const { replayId } = await product.request({ ranges });
    const { report } = await product.untilStatus(replayId, 'finished');
    expect(report).toMatchObject({ lost: 15, totals: { stored: 30 + 40, dead: 1 } });
    expect(report?.partitions).toMatchObject([
      { partition: 0, from: 20, to: 50, next: 50, lost: 15, firstTimestamp: new Date(began + 40_000).toISOString() },
      { partition: 1, from: 10, to: 51, lost: 0, lastTimestamp: new Date(began + 200_000).toISOString() },
    ]);
    expect(report?.failures).toMatchObject([{ topic, partition: 1, offset: 50, code: 'bad_magic_byte' }]);

    const { replayId: gone } = await product.request({ ranges: [{ topic, partition: 0, from: 1, to: 9 }] });
    const nothing = await product.untilStatus(gone, 'finished');
    expect(nothing).toMatchObject({ total: 0, done: 0, report: { lost: 8, totals: { stored: 0 } } });
  });

  it('reads again whatever a run has read', async () => {
    const product = await createReplayHarness();
    product.startWorker();
    await product.produceLeads('a', 200);
    await product.ingest();
    const runId = await product.pool.oneFirst(
      sql.type(z.object({ id: z.string() }))`SELECT run_id AS id FROM analytics.crm_runs WHERE kind = 'live'`,
    );
    await product.produceLeads('b', 200);
    const { replayId } = await product.request({ runId });
    expect(await product.untilStatus(replayId, 'finished')).toMatchObject({ total: 200, counts: { skipped: 200 } });
    // And whatever that replay has read.
    const { replayId: next } = await product.request({ runId: replayId, mode: 'dry-run' });
    const { report } = await product.untilStatus(next, 'finished');
    expect(report?.findings).toMatchObject({ ignore: { events: 200 }, insert: { events: 0 } });
  });

  it.each([
    ['an unknown topic', () => ({ topics: ['crm.nothing'] })],
    ['a partition that there is not', (topic: string) => ({ ranges: [{ topic, partition: 9 }] })],
    ['offsets that are none', (topic: string) => ({ ranges: [{ topic, from: 10, to: 99 }] })],
    ['a range that ends before it begins', (topic: string) => ({ ranges: [{ topic, from: 3, to: 2 }] })],
    ['time that runs backwards', () => ({ from: '2026-02-02T00:00:00Z', to: '2026-02-01T00:00:00Z' })],
    ['a run that read nothing', () => ({ runId: '0190d5f0-0000-7000-8000-000000000001' })],
  ])('of %s is refused, and nothing is kept', async (_, bodyOf) => {
    const product = await createReplayHarness();
    const body = await product.answer(422, 'POST', '/replays', bodyOf(product.topic));
    expect(body).toMatchObject({ type: '/docs#problem-invalid-selection' });
    expect(await product.count(sql.fragment`FROM analytics.crm_replays`)).toBe(0);
  });
});
