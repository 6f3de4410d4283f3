import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CANARY, createReplayHarness } from './replays-harness.ts';

const EVENTS = 3_000;
const LEADS = sql.fragment`FROM analytics.crm_leads_staging`;

describe('a replay', { timeout: 180_000 }, () => {
  it('in each mode does what it says, and a dry run says so before', async () => {
    const product = await createReplayHarness({ LOG_LEVEL: 'debug' });
    const { pool, topic, request, untilStatus, produceLeads, count } = product;
    product.startWorker();
    await produceLeads('a', EVENTS);
    await product.ingest();

    const all = { topics: [topic], ratePerSecond: null };
    const done = async (body: object) => {
      const { replayId } = await request({ ...all, ...body });
      return untilStatus(replayId, 'finished');
    };

    const known = await done({});
    expect(known.counts).toMatchObject({ stored: 0, skipped: EVENTS, conflicts: 0 });
    expect(known).toMatchObject({ total: EVENTS, done: EVENTS });
    expect(await product.statuses()).toEqual({ processed: EVENTS });

    await product.forget(sql.fragment`event_id LIKE 'a-1%'`);
    const missing = EVENTS - (await count(LEADS));
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE event_id LIKE 'a-2%'`);
    const gone = EVENTS - missing - (await count(LEADS));
    await pool.query(
      sql.unsafe`UPDATE analytics.crm_leads_staging SET company = 'other', score = 1 WHERE event_id LIKE 'a-9%'`,
    );
    const wrong = await count(sql.fragment`${LEADS} WHERE company = 'other'`);

    const before = await everyRow(pool);
    const tried = await done({ mode: 'dry-run' });
    expect(tried.report?.findings).toMatchObject({
      insert: { events: missing },
      restore: { events: gone },
      update: { events: wrong },
      ignore: { events: EVENTS - missing - gone - wrong },
      conflict: { events: 0, samples: [] },
      fail: { events: 0 },
      columns: { company: wrong, score: wrong },
    });
    expect(tried.report?.findings?.update.samples[0]).toMatchObject({ topic, offset: expect.any(Number) });
    expect(await everyRow(pool)).toEqual(before);

    expect((await done({})).counts).toMatchObject({ stored: missing, skipped: EVENTS - missing });
    const restored = await done({ mode: 'restore' });
    expect(restored.counts).toMatchObject({ stored: 0, skipped: EVENTS, changed: gone });
    expect(await product.staged()).toEqual({ rows: EVENTS, ids: EVENTS });

    const overwritten = await done({ mode: 'overwrite' });
    expect(overwritten.counts).toMatchObject({ skipped: EVENTS, changed: wrong });
    expect(await count(sql.fragment`${LEADS} WHERE company = 'other'`)).toBe(0);
    expect(await count(sql.fragment`FROM analytics.crm_overwritten_rows`)).toBe(wrong);
    expect(await product.staged()).toEqual({ rows: EVENTS, ids: EVENTS });
    expect(await product.statuses()).toEqual({ processed: EVENTS });
    expect(await product.brokenBooks()).toEqual([]);

    const everything = [
      await product.history(overwritten.replayId),
      await product.history(tried.replayId),
      JSON.stringify([overwritten, tried, product.logger.lines]),
      ...(await product.workerLogs()),
    ].join('\n');
    expect(everything).toContain(tried.replayId);
    expect(everything).not.toContain(CANARY.slice(0, 6));
  });

  it('takes what fits its filter alone', async () => {
    const product = await createReplayHarness();
    product.startWorker();
    await product.produceLeads('a', 100);
    const { replayId } = await product.request({ topics: [product.topic], filter: { entityId: 'lead-a-7' } });
    expect((await product.untilStatus(replayId, 'finished')).counts).toMatchObject({ stored: 1, absent: 99 });
    expect(await product.count(sql.fragment`${LEADS} WHERE event_id = 'a-7'`)).toBe(1);
  });
});

/** A checksum of each table but those that hold replays and who asked for them. */
async function everyRow(
  pool: Awaited<ReturnType<typeof createReplayHarness>>['pool'],
): Promise<Record<string, string>> {
  const tables = await pool.anyFirst(sql.type(z.object({ name: z.string() }))`
    SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'analytics' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relname NOT IN ('crm_replays', 'crm_replay_parts', 'crm_audit_log', 'crm_audit_log_head')
    ORDER BY 1
  `);
  expect(tables).toContain('crm_batches');
  const sums: Record<string, string> = {};
  for (const table of tables) {
    sums[table] = await pool.oneFirst(sql.type(z.object({ sum: z.string() }))`
      SELECT count(*) || ' ' || COALESCE(sum(hashtextextended(t::text, 0)), 0) AS sum
      FROM ${sql.identifier(['analytics', table])} t
    `);
  }
  return sums;
}
