import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { SettledDelivery, Settlement } from '../../activities/failed-ports.ts';
import type { Delivery } from '../../activities/ports.ts';
import { batchOf, lead, record } from '../helpers/batches.ts';
import { claimPartitions, createTestStore, ledgerFormerly, openTestLane } from '../helpers/lane-store.ts';

const DEAD = { status: 'dead', nextAttemptAt: null } as const;

/** A lane that wrote some events, those named `bad` as dead letters. */
async function setUp(events: Parameters<typeof batchOf>[1]) {
  const { pool, store, runId } = await createTestStore();
  const lane = await openTestLane(store);
  const [range] = await claimPartitions(lane, runId, 'crm.leads');
  const batch = batchOf(range!, events, runId);
  await lane.writer.write(batch);
  const { sourceId, incarnation, topic, partition } = range!;
  const failed = await pool.any(sql.type(
    z.object({ failedId: z.number(), offset: z.number(), loggedAt: z.number(), correctedAt: z.null() }),
  )`
    SELECT failed_id AS "failedId", "offset", event_timestamp AS "loggedAt", NULL AS "correctedAt"
    FROM analytics.crm_failed_events ORDER BY failed_id`);

  /** A failed event, or with a number a record at this offset, and what becomes of it now. */
  function delivery(
    of: (typeof failed)[number] | number,
    outcome: ReturnType<typeof lead> | 'bad',
    verdict: SettledDelivery['verdict'] = DEAD,
  ): SettledDelivery {
    const offset = typeof of === 'number' ? of : of.offset;
    const [checked] = batchOf({ ...range!, nextOffset: offset }, [outcome], runId).deliveries;
    return {
      failed: typeof of === 'number' ? null : of,
      source: { sourceId, incarnation, topic, partition },
      outcome: checked as Exclude<Delivery, { kind: 'tombstone' | 'parked' }>,
      verdict,
    };
  }

  const settle = (deliveries: SettledDelivery[], over: Partial<Settlement> = {}) =>
    store.settler.settle({ runId, cause: 'retry', suppression: 0, redriveId: null, deliveries, ...over });
  const count = (table: string) =>
    pool.oneFirst(sql.unsafe`SELECT count(*) FROM ${sql.identifier(['analytics', table])}`);
  const moves = () =>
    pool.any(sql.unsafe`
    SELECT cause, from_status AS "from", to_status AS "to", events FROM analytics.crm_moves ORDER BY move_id`);
  return { pool, store, lane, range: range!, runId, failed, delivery, settle, count, moves };
}

describe('settling', () => {
  it('stages an event that is sound now, and the log shows the way it took', async () => {
    const { pool, failed, delivery, settle, count, moves } = await setUp(['bad', lead('x')]);
    const result = await settle([delivery(failed[0]!, lead('a'))]);
    expect(result).toEqual({ outcomes: [{ status: 'processed', reason: null }], retries: [] });
    expect(await count('crm_leads_staging')).toBe(2);
    const log = await pool.one(sql.unsafe`
      SELECT event_id, processing_status AS status, retry_count, error_message, metadata #>> '{errors,0,detail}' AS first
      FROM analytics.crm_events_log WHERE "offset" = 0`);
    expect(log).toEqual({ event_id: 'a', status: 'processed', retry_count: 1, error_message: null, first: 'cut off' });
    const row = await pool.one(sql.unsafe`SELECT status, settled_as, attempts FROM analytics.crm_failed_events`);
    expect(row).toEqual({ status: 'resolved', settled_as: 'processed', attempts: 1 });
    expect(await moves()).toEqual([{ cause: 'retry', from: 'dead', to: 'processed', events: 1 }]);
  });

  it('leaves an event alone that was corrected since it was taken', async () => {
    const { pool, failed, delivery, settle, count } = await setUp(['bad']);
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_failed_events SET correction = '{}', corrected_by = 'ann', corrected_at = clock_timestamp()`);
    expect((await settle([delivery(failed[0]!, lead('a'))])).outcomes).toEqual([null]);
    expect(await count('crm_leads_staging')).toBe(0);
  });

  it('settles once, however often and from wherever it is tried', async () => {
    const { failed, delivery, settle, count, moves } = await setUp(['bad']);
    const results = await Promise.all([1, 2, 3, 4].map(() => settle([delivery(failed[0]!, lead('a'))])));
    const claimed = results.flatMap(({ outcomes }) => outcomes).filter((outcome) => outcome !== null);
    expect(claimed).toEqual([{ status: 'processed', reason: null }]);
    expect(await count('crm_leads_staging')).toBe(1);
    expect(await moves()).toHaveLength(1);
  });

  it('is due again when it fails again, and dead when the verdict says so', async () => {
    const { pool, failed, delivery, settle, moves } = await setUp(['bad']);
    const nextAttemptAt = Date.UTC(2030, 0, 1);
    const again = await settle([delivery(failed[0]!, 'bad', { status: 'failed', nextAttemptAt })]);
    expect(again).toEqual({
      outcomes: [{ status: 'failed', reason: null }],
      retries: [{ failedId: failed[0]!.failedId, attempts: 1, dueAt: nextAttemptAt }],
    });
    await settle([delivery(failed[0]!, 'bad')]);
    const row = await pool.one(sql.unsafe`
      SELECT status, attempts, next_attempt_at, jsonb_array_length(errors) AS errors FROM analytics.crm_failed_events`);
    expect(row).toEqual({ status: 'dead', attempts: 2, next_attempt_at: null, errors: 2 });
    expect(await moves()).toEqual([
      { cause: 'retry', from: 'dead', to: 'failed', events: 1 },
      { cause: 'retry', from: 'failed', to: 'dead', events: 1 },
    ]);
  });

  it.each([
    ['', false],
    [', also under the hash of an earlier release', true],
  ])(
    'skips an event whose id another delivery brought, and tells the duplicate from the conflict%s',
    async (_, isFormer) => {
      const { pool, failed, delivery, settle, count } = await setUp([lead('a'), 'bad', 'bad']);
      if (isFormer) await ledgerFormerly(pool, lead('a'));
      const { outcomes } = await settle([
        delivery(failed[0]!, lead('a')),
        delivery(failed[1]!, lead('a', { score: 8, contentHash: 43 })),
      ]);
      expect(outcomes).toEqual([
        { status: 'skipped', reason: 'duplicate' },
        { status: 'skipped', reason: 'conflict' },
      ]);
      expect(await count('crm_leads_staging')).toBe(1);
    },
  );

  it('takes no event twice in one redrive and keeps its counts', async () => {
    const { pool, failed, delivery, settle } = await setUp(['bad', 'bad']);
    const redriveId = '0190d5f0-0000-7000-8000-000000000001';
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_redrives (redrive_id, action, filter, rate_per_second, status, last_failed_id, total, requested_by)
      VALUES (${redriveId}, 'redrive', '{}', 100, 'running', 99, 2, 'test')`);
    const deliveries = [delivery(failed[0]!, lead('a')), delivery(failed[1]!, 'bad')];
    const over = { cause: 'redrive', redriveId } as const;
    await settle(deliveries, over);
    expect((await settle(deliveries, over)).outcomes).toEqual([null, null]);
    const row = await pool.one(sql.unsafe`SELECT processed, dead FROM analytics.crm_redrives`);
    expect(row).toEqual({ processed: 1, dead: 1 });
  });
});

describe('a record by itself', () => {
  it('is ingested ahead of the lane, which then finds it known', async () => {
    const { lane, range, runId, delivery, settle, count, moves } = await setUp([lead('x')]);
    const { outcomes } = await settle([delivery(1, lead('a')), delivery(2, 'bad')], { cause: 'enqueue' });
    expect(outcomes).toEqual([
      { status: 'processed', reason: null },
      { status: 'dead', reason: null },
    ]);
    const batch = batchOf({ ...range, nextOffset: 1 }, [lead('a'), 'bad'], runId);
    const [counts] = (await lane.writer.write(batch)).slices;
    expect(counts).toMatchObject({ stored: 0, skipped: 2, dead: 0 });
    expect(await count('crm_events_log')).toBe(3);
    expect(await count('crm_failed_events')).toBe(1);
    expect(await moves()).toEqual(
      expect.arrayContaining([
        { cause: 'enqueue', from: 'unread', to: 'processed', events: 1 },
        { cause: 'enqueue', from: 'unread', to: 'dead', events: 1 },
      ]),
    );
  });

  it('that was ingested before changes nothing', async () => {
    const { delivery, settle, count, moves } = await setUp([lead('a')]);
    const { outcomes } = await settle([delivery(0, lead('a'))], { cause: 'enqueue' });
    expect(outcomes).toEqual([{ status: 'skipped', reason: 'reread' }]);
    expect(await count('crm_events_log')).toBe(1);
    expect(await moves()).toEqual([]);
  });

  it('keeps its bytes when it fails', async () => {
    const { pool, delivery, settle } = await setUp([lead('a')]);
    await settle([delivery(5, 'bad')], { cause: 'enqueue' });
    const row = await pool.one(sql.unsafe`SELECT "offset", value FROM analytics.crm_failed_events`);
    expect(row).toEqual({ offset: 5, value: record(5).value });
  });
});
