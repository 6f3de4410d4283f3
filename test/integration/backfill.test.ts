import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createReplayHarness } from './replays-harness.ts';

const EVENTS = 2_000;
const DAYS = 10;
const BEGAN = Date.UTC(2026, 9, 1, 12);

describe('a backfill from Kafka', { timeout: 300_000 }, () => {
  it('fills empty tables window after window from new to old, also when its worker is killed', async () => {
    const product = await createReplayHarness();
    const { pool, topic } = product;
    const dayOf = (index: number) => Math.floor((index * DAYS) / EVENTS);
    await product.produceLeads('a', EVENTS, { timestamp: (index) => BEGAN + dayOf(index) * 86_400_000 });
    const worker = product.startWorker();
    const body = { source: 'kafka', topics: [topic], order: 'newest-first', windowHours: 24, ratePerSecond: 1_000 };
    expect(await product.answer(200, 'POST', '/backfills/plan', body)).toMatchObject({ offsets: EVENTS, lost: 0 });
    const { replayId } = await product.request(body, '/backfills');
    await product.untilDone(replayId, 200);
    product.startWorker();
    await product.end(worker, 'SIGKILL');
    const { counts, report } = await product.untilStatus(replayId, 'finished');
    expect(counts).toMatchObject({ stored: EVENTS, skipped: 0 });
    expect(report?.partitions).toMatchObject([
      { from: 0, to: EVENTS / 2 },
      { from: 0, to: EVENTS / 2 },
    ]);
    expect(await product.staged()).toEqual({ rows: EVENTS, ids: EVENTS });
    expect(await product.statuses()).toEqual({ processed: EVENTS });
    expect(await product.brokenBooks()).toEqual([]);

    const starts = await pool.anyFirst(sql.type(z.object({ start: z.number() }))`
      SELECT from_offset AS start FROM analytics.crm_replay_parts
      WHERE replay_id = ${replayId} AND partition = 0 ORDER BY part
    `);
    expect(starts).toHaveLength(DAYS);
    expect(starts).toEqual(starts.toSorted((a, b) => b - a));

    const { replayId: again } = await product.request({ ...body, ratePerSecond: null }, '/backfills');
    expect((await product.untilStatus(again, 'finished')).counts).toMatchObject({ stored: 0, skipped: EVENTS });
    expect(await product.staged()).toEqual({ rows: EVENTS, ids: EVENTS });
  });
});
