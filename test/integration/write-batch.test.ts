import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Batch, type ClaimedRange, FencedError, WriteError } from '../../activities/ports.ts';
import { createBatchWriter } from '../../adapters/postgres/write-batch.ts';
import { batchOf, contact, lead, opportunity, sliceOf } from '../helpers/batches.ts';
import { claimPartitions, createTestStore, ledgerFormerly, openTestLane } from '../helpers/lane-store.ts';

const logRow = z.object({
  at: z.number(),
  id: z.string().nullable(),
  status: z.string(),
  reason: z.string().nullable(),
});

const NOTHING = {
  stored: 0,
  skipped: 0,
  conflicts: 0,
  filtered: 0,
  failed: 0,
  dead: 0,
  tombstones: 0,
  absent: 0,
  parked: 0,
  changed: 0,
};

async function setUp(topic = 'crm.leads', partitions = 1) {
  const { pool, store, runId } = await createTestStore();
  const lane = await openTestLane(store);
  const ranges = await claimPartitions(lane, runId, topic, partitions);
  return { pool, store, runId, lane, ranges, range: ranges[0] as ClaimedRange };
}

describe('the writer', () => {
  it('has small batches of the same kind planned once, whatever is in them', async () => {
    const { pool, runId, range } = await setUp();
    const events = [lead('a'), lead('b'), lead('c'), lead('d')];
    const prepared = await pool.connect(async (connection) => {
      const write = createBatchWriter(connection);
      for (const [nextOffset, event] of events.entries()) {
        await write(batchOf({ ...range, nextOffset }, [event], runId));
      }
      await write(batchOf({ ...range, nextOffset: 4 }, [contact('e'), contact('f')], runId));
      return connection.any(sql.unsafe`
        SELECT name, (generic_plans + custom_plans)::int AS written FROM pg_prepared_statements
        WHERE name LIKE 'crm_batch%' ORDER BY name
      `);
    });
    expect(prepared).toEqual([
      { name: 'crm_batch_1', written: 4 },
      { name: 'crm_batch_2', written: 1 },
    ]);
  });

  it('stages each entity in its table, logs every delivery and keeps the books', async () => {
    const { pool, runId, lane, range } = await setUp('crm.events');
    const batch = batchOf(range, [lead('a'), contact('b'), opportunity('c'), 'tombstone', 'bad'], runId);
    batch.slices[0] = { ...sliceOf(range, 5, 2), last: { offset: 4, timestamp: 99, checksum: 7 } };

    const result = await lane.writer.write(batch);

    expect(result.slices).toEqual([{ ...NOTHING, stored: 3, dead: 1, tombstones: 1, absent: 2 }]);
    expect(result.events).toContainEqual({ eventType: 'lead.created', outcome: 'processed', count: 1 });
    expect(result.events).toContainEqual({ eventType: 'unknown', outcome: 'dead', count: 1 });
    const leads = await pool.one(sql.unsafe`SELECT * FROM analytics.crm_leads_staging`);
    expect(leads).toMatchObject({
      event_id: 'a',
      lead_id: 'lead-a',
      first_name: 'Ada',
      score: 7,
      phone: null,
      organization_id: 'org-1',
      event_timestamp: Date.UTC(2026, 10, 20, 12),
      ingestion_id: runId,
      metadata: { source: 'test', version: '1' },
    });
    const opportunities = await pool.one(
      sql.unsafe`SELECT amount::text, expected_close_date::text AS close, event_type FROM analytics.crm_opportunities_staging`,
    );
    expect(opportunities).toEqual({ amount: '-1234567890123.45', close: '2024-10-04', event_type: 'opportunity.won' });
    const log = await pool.any(
      sql.unsafe`SELECT "offset", processing_status, event_id, error_message FROM analytics.crm_events_log ORDER BY "offset"`,
    );
    expect(log).toEqual([
      { offset: 0, processing_status: 'processed', event_id: 'a', error_message: null },
      { offset: 1, processing_status: 'processed', event_id: 'b', error_message: null },
      { offset: 2, processing_status: 'processed', event_id: 'c', error_message: null },
      { offset: 4, processing_status: 'dead', event_id: null, error_message: 'cut off' },
    ]);
    const kept = await pool.one(
      sql.unsafe`SELECT encode(value, 'escape') AS value, error_code, schema_id, status FROM analytics.crm_failed_events`,
    );
    expect(kept).toEqual({ value: 'payload', error_code: 'undecodable', schema_id: 5, status: 'dead' });
    const chain = await pool.one(
      sql.unsafe`SELECT from_offset, next_offset, records, stored, dead, tombstones, absent FROM analytics.crm_batches`,
    );
    expect(chain).toEqual({ from_offset: 0, next_offset: 7, records: 5, stored: 3, dead: 1, tombstones: 1, absent: 2 });
    expect(await lane.positions.claim(claimRequest('crm.events', runId))).toMatchObject([
      { nextOffset: 7, epoch: 2, last: { offset: 4, timestamp: 99, checksum: 7 } },
    ]);
  });

  it('stages an id once when it stands twice in a batch, with the same and with another timestamp', async () => {
    const { pool, runId, lane, range } = await setUp();
    const later = { eventTimestamp: Date.UTC(2026, 10, 22), contentHash: 43 };
    const result = await lane.writer.write(batchOf(range, [lead('a'), lead('a'), lead('a', later)], runId));
    expect(result.slices).toEqual([{ ...NOTHING, stored: 1, skipped: 2, conflicts: 1 }]);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging`)).toBe(1);
    const reasons = await pool.anyFirst(
      sql.unsafe`SELECT metadata->>'reason' FROM analytics.crm_events_log ORDER BY "offset"`,
    );
    expect(reasons).toEqual([null, 'duplicate', 'conflict']);
  });

  it('skips an id that another topic and time brought before, and tells a conflict by content and organization', async () => {
    const { pool, runId, lane, range } = await setUp();
    await lane.writer.write(batchOf(range, [lead('a'), lead('b'), lead('c')], runId));
    const [other] = await claimPartitions(lane, runId, 'crm.events');
    const again = batchOf(
      other as ClaimedRange,
      [
        lead('a', { eventTimestamp: Date.UTC(2026, 9, 1) }),
        lead('b', { contentHash: 1 }),
        lead('c', { organizationId: 'org-2' }),
      ],
      runId,
    );
    const result = await lane.writer.write(again);
    expect(result.slices).toEqual([{ ...NOTHING, skipped: 3, conflicts: 2 }]);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging`)).toBe(3);
    expect(await pool.oneFirst(sql.unsafe`SELECT analytics.is_event_processed('a')`)).toBe(true);
    expect(await pool.oneFirst(sql.unsafe`SELECT analytics.is_event_processed('z')`)).toBe(false);
  });

  it('tells the same of ids that an earlier release wrote to the ledger, in each way to read', async () => {
    const { pool, runId, lane, range } = await setUp('crm.events');
    const events = [lead('a'), contact('b'), opportunity('c')];
    const others = [
      lead('a', { contentHash: 43, score: 8 }),
      contact('b', { contentHash: 43, title: 'Countess' }),
      opportunity('c', { contentHash: 43, amount: '5' }),
      lead('a', { organizationId: 'org-2' }),
    ];
    await lane.writer.write(batchOf(range, events, runId));
    await ledgerFormerly(pool, ...events);
    const [other] = await claimPartitions(lane, runId, 'crm.leads');
    const again = [...events, ...others];
    const expected = [{ ...NOTHING, skipped: 7, conflicts: 4 }];
    // Taken for new, then for mostly known, then beside one that failed before.
    expect((await lane.writer.write(batchOf(other!, again, runId))).slices).toEqual(expected);
    expect((await lane.writer.write(batchOf({ ...other!, nextOffset: 7 }, again, runId))).slices).toEqual(expected);
    await lane.writer.write(batchOf({ ...other!, nextOffset: 14 }, ['bad'], runId));
    const back = await lane.positions.jump({ ...other!, nextOffset: 15 }, 14, 'seek', runId);
    const repeated = await lane.writer.write(batchOf(back, ['bad', ...again], runId));
    expect(repeated.slices).toEqual([{ ...NOTHING, skipped: 8, conflicts: 4 }]);
    // What is new beside it has a hash of today.
    const mixed = batchOf({ ...back, nextOffset: 22 }, [lead('new'), lead('a')], runId);
    expect((await lane.writer.write(mixed)).slices).toEqual([{ ...NOTHING, stored: 1, skipped: 1 }]);
    expect(
      await pool.oneFirst(sql.unsafe`SELECT content_hash FROM analytics.crm_event_ledger WHERE event_id = 'new'`),
    ).toBe(42);
    const reasons = await pool.any(sql.unsafe`
      SELECT metadata->>'reason' AS reason, count(*) FROM analytics.crm_events_log
      WHERE processing_status = 'skipped' GROUP BY 1 ORDER BY 1`);
    expect(reasons).toEqual([
      { reason: 'conflict', count: 12 },
      { reason: 'duplicate', count: 10 },
    ]);
  });

  describe('asks what is known once a batch had some of it', () => {
    /** `a`, `b` and `c` are in the ledger, won in another topic than that of the range. */
    async function setUpResent() {
      const { pool, store, runId, lane, range: first } = await setUp('crm.leads');
      await lane.writer.write(batchOf(first, [lead('a'), lead('b'), lead('c')], runId));
      const [range] = await claimPartitions(lane, runId, 'crm.events');
      return { pool, store, runId, lane, range: range as ClaimedRange };
    }

    const logIn = (pool: Awaited<ReturnType<typeof setUp>>['pool']) =>
      pool.any(sql.type(logRow)`
        SELECT "offset" AS at, event_id AS id, processing_status AS status, metadata->>'reason' AS reason
        FROM analytics.crm_events_log WHERE topic = 'crm.events' ORDER BY "offset"
      `);

    it('and writes the rest as new', async () => {
      const { pool, runId, range } = await setUpResent();
      const { result, statements } = await pool.connect(async (connection) => {
        const write = createBatchWriter(connection);
        await write(batchOf(range, [lead('a')], runId));
        const resent = [
          lead('d'),
          lead('a'),
          lead('b', { contentHash: 43, score: 8 }),
          lead('c', { organizationId: 'org-2' }),
          contact('e'),
          lead('d'),
          lead('d', { contentHash: 43, score: 8 }),
          'tombstone' as const,
        ];
        return {
          result: await write(batchOf({ ...range, nextOffset: 1 }, resent, runId)),
          statements: await connection.anyFirst(sql.unsafe`
            SELECT statement LIKE '%resent AS (%' FROM pg_prepared_statements ORDER BY prepare_time`),
        };
      });
      // Taken for new, the general statement, the question, what is left.
      expect(statements).toEqual([false, false, false, true]);
      expect(result.slices).toEqual([{ ...NOTHING, stored: 2, skipped: 5, conflicts: 3, tombstones: 1 }]);
      expect(result.events).toEqual([
        { eventType: 'lead.created', outcome: 'processed', count: 1 },
        { eventType: 'contact.created', outcome: 'processed', count: 1 },
        { eventType: 'lead.created', outcome: 'skipped', count: 2 },
        { eventType: 'lead.created', outcome: 'conflict', count: 3 },
      ]);
      const row = { status: 'skipped' };
      expect((await logIn(pool)).slice(1)).toEqual([
        { at: 1, id: 'd', status: 'processed', reason: null },
        { ...row, at: 2, id: 'a', reason: 'duplicate' },
        { ...row, at: 3, id: 'b', reason: 'conflict' },
        { ...row, at: 4, id: 'c', reason: 'conflict' },
        { at: 5, id: 'e', status: 'processed', reason: null },
        { ...row, at: 6, id: 'd', reason: 'duplicate' },
        { ...row, at: 7, id: 'd', reason: 'conflict' },
      ]);
      const chain = await pool.one(sql.unsafe`
        SELECT records, stored, skipped, conflicts, tombstones FROM analytics.crm_batches WHERE from_offset = 1`);
      expect(chain).toEqual({ records: 8, stored: 2, skipped: 5, conflicts: 3, tombstones: 1 });
    });

    it('beside what is invalid, and where nothing is left', async () => {
      const { pool, runId, lane, range } = await setUpResent();
      await lane.writer.write(batchOf(range, [lead('a')], runId));
      const mixed = await lane.writer.write(batchOf({ ...range, nextOffset: 1 }, ['bad', lead('b'), lead('d')], runId));
      expect(mixed.slices).toEqual([{ ...NOTHING, stored: 1, skipped: 1, dead: 1 }]);
      const known = await lane.writer.write(batchOf({ ...range, nextOffset: 4 }, [lead('b'), lead('d')], runId));
      expect(known.slices).toEqual([{ ...NOTHING, skipped: 2 }]);
      expect((await logIn(pool)).map(({ status }) => status)).toEqual([
        'skipped',
        'dead',
        'skipped',
        'processed',
        'skipped',
        'skipped',
      ]);
    });

    it('and is right when another lane wins an id meanwhile', async () => {
      const { pool, store, runId, range } = await setUpResent();
      const other = await openTestLane(store);
      const [elsewhere] = await claimPartitions(other, runId, 'crm.contacts');
      await pool.connect(async (connection) => {
        let isRacing = false;
        let answers = 0;
        const racing = {
          ...connection,
          one: async (query: Parameters<typeof connection.one>[0]) => {
            const answer = await connection.one(query);
            answers += 1;
            if (!isRacing) return answer;
            isRacing = false;
            await other.writer.write(batchOf(elsewhere!, [lead('d')], runId));
            return answer;
          },
        } as typeof connection;
        const write = createBatchWriter(racing);
        await write(batchOf(range, [lead('a')], runId));
        isRacing = true;
        answers = 0;
        const result = await write(batchOf({ ...range, nextOffset: 1 }, [lead('d'), lead('c'), lead('e')], runId));
        expect(result.slices).toEqual([{ ...NOTHING, stored: 1, skipped: 2 }]);
        expect(answers).toBe(2); // what is known, and the general statement; the one in between was refused
      });
      expect((await logIn(pool)).map(({ id, reason }) => [id, reason])).toEqual([
        ['a', 'duplicate'],
        ['d', 'duplicate'],
        ['c', 'duplicate'],
        ['e', null],
      ]);
      expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging`)).toBe(5);
    });

    it('and logs nothing anew when those that were sent again are read again', async () => {
      const { pool, runId, lane, range } = await setUpResent();
      await lane.writer.write(batchOf(range, [lead('a'), lead('d'), 'bad'], runId));
      await lane.writer.write(batchOf({ ...range, nextOffset: 3 }, [lead('b'), lead('e')], runId));
      const before = await logIn(pool);
      const back = await lane.positions.jump({ ...range, nextOffset: 5 }, 0, 'seek', runId);
      const again = batchOf(back, [lead('a'), lead('d'), 'bad', lead('b'), lead('e')], runId);
      expect((await lane.writer.write(again)).slices).toEqual([{ ...NOTHING, skipped: 5 }]);
      expect(await logIn(pool)).toEqual(before);
      expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_failed_events`)).toBe(1);
    });
  });

  it('logs nothing anew for deliveries that are read again', async () => {
    const { pool, runId, lane, range } = await setUp();
    await lane.writer.write(batchOf(range, [lead('a'), 'bad'], runId));
    const moved = await lane.positions.jump({ ...range, nextOffset: 2 }, 0, 'seek', runId);
    const result = await lane.writer.write(batchOf(moved, [lead('a'), 'bad'], runId));
    // Both were counted when they were read first.
    expect(result.slices).toEqual([{ ...NOTHING, skipped: 2 }]);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_events_log`)).toBe(2);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_failed_events`)).toBe(1);
    await lane.writer.write(batchOf({ ...moved, nextOffset: 2 }, [lead('b')], runId));
    const kinds = await pool.any(
      sql.unsafe`SELECT kind, from_offset, next_offset FROM analytics.crm_batches ORDER BY committed_at`,
    );
    expect(kinds).toEqual([
      { kind: 'batch', from_offset: 0, next_offset: 2 },
      { kind: 'seek', from_offset: 2, next_offset: 0 },
      { kind: 'batch', from_offset: 0, next_offset: 2 },
      { kind: 'batch', from_offset: 2, next_offset: 3 },
    ]);
  });

  it('takes each batch for what the last one was, and says the same when it was not', async () => {
    const { pool, runId, lane, range } = await setUp();
    const ids = (from: number, count: number) => Array.from({ length: count }, (_, index) => lead(`${from + index}`));
    let at = range;
    const write = async (events: Parameters<typeof batchOf>[1]) => {
      const result = await lane.writer.write(batchOf(at, events, runId));
      at = { ...at, nextOffset: at.nextOffset + events.length };
      return { ...result.slices[0], events: result.events };
    };
    const events = (outcome: string, count: number) => ({ eventType: 'lead.created', outcome, count });
    // New after new, then one that is not: known to the ledger, and twice in the batch.
    expect(await write(ids(0, 6))).toMatchObject({ stored: 6, events: [events('processed', 6)] });
    const notNew = await write([...ids(6, 2), lead('0'), lead('6')]);
    expect(notNew).toMatchObject({ stored: 2, skipped: 2 });
    expect(notNew.events).toEqual(expect.arrayContaining([events('processed', 2), events('skipped', 2)]));
    expect(await write(ids(8, 2))).toMatchObject({ stored: 2, skipped: 0 });

    // Read again from the start: what was read before is skipped, and asked for beforehand from the second batch on.
    at = await lane.positions.jump(at, 0, 'seek', runId);
    expect(await write(ids(0, 4))).toMatchObject({ stored: 0, skipped: 4, events: [events('skipped', 4)] });
    expect(await write(ids(4, 2))).toMatchObject({ stored: 0, skipped: 2, events: [events('skipped', 2)] });
    expect(await write([...ids(6, 2), lead('0'), lead('6')])).toMatchObject({ stored: 0, skipped: 4 });
    // Then other deliveries of known ids: logged, and one with other content is a conflict.
    at = { ...at, nextOffset: 10 };
    at = await lane.positions.jump({ ...at, nextOffset: 10 }, 12, 'seek', runId);
    const others = await write([...ids(0, 3), lead('3', { contentHash: 43 })]);
    expect(others).toMatchObject({ stored: 0, skipped: 4, conflicts: 1 });
    expect(others.events).toEqual(expect.arrayContaining([events('skipped', 3), events('conflict', 1)]));
    expect(await write(ids(0, 2))).toMatchObject({ skipped: 2 });
    expect(await write(ids(20, 2))).toMatchObject({ stored: 2 });

    const log = await pool.any(sql.unsafe`
      SELECT processing_status AS status, count(*) FROM analytics.crm_events_log GROUP BY 1 ORDER BY 1`);
    expect(log).toEqual([
      { status: 'processed', count: 12 },
      { status: 'skipped', count: 8 },
    ]);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging`)).toBe(12);
  });

  it('lets what failed follow the outcome of a later reading, and books the move', async () => {
    const { pool, runId, lane, range } = await setUp();
    await lane.writer.write(batchOf(range, ['bad', lead('b'), 'bad'], runId));
    const moved = await lane.positions.jump({ ...range, nextOffset: 3 }, 0, 'seek', runId);
    const again = batchOf(moved, [lead('a'), lead('b'), 'bad', lead('c')], runId);
    const result = await lane.writer.write(again);
    expect(result.slices).toEqual([{ ...NOTHING, stored: 1, skipped: 3 }]);
    const log = await pool.any(sql.unsafe`
      SELECT "offset", event_id, processing_status AS status, retry_count, metadata -> 'errors' -> 0 ->> 'code' AS first_error
      FROM analytics.crm_events_log ORDER BY "offset"`);
    expect(log).toEqual([
      { offset: 0, event_id: 'a', status: 'processed', retry_count: 0, first_error: 'undecodable' },
      { offset: 1, event_id: 'b', status: 'processed', retry_count: 0, first_error: null },
      { offset: 2, event_id: null, status: 'dead', retry_count: 0, first_error: 'undecodable' },
      { offset: 3, event_id: 'c', status: 'processed', retry_count: 0, first_error: null },
    ]);
    const failed = await pool.any(
      sql.unsafe`SELECT "offset", status, settled_as FROM analytics.crm_failed_events ORDER BY "offset"`,
    );
    expect(failed).toEqual([
      { offset: 0, status: 'resolved', settled_as: 'processed' },
      { offset: 2, status: 'dead', settled_as: null },
    ]);
    const moves = await pool.any(sql.unsafe`SELECT cause, from_status, to_status, events FROM analytics.crm_moves`);
    expect(moves).toEqual([{ cause: 'reread', from_status: 'dead', to_status: 'processed', events: 1 }]);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging`)).toBe(3);
  });

  it('leaves what is parked in Kafka and keeps one range for each schema and reason', async () => {
    const { pool, runId, lane, range } = await setUp();
    const batch = batchOf(range, [lead('a'), lead('p1'), lead('b'), lead('p2'), lead('q')], runId);
    const park = (index: number, schemaId: number) => {
      const { slice, record } = batch.deliveries[index]!;
      batch.deliveries[index] = { kind: 'parked', slice, record, schemaId, reason: 'schema_unknown' };
    };
    park(1, 7);
    park(3, 7);
    park(4, 8);
    expect((await lane.writer.write(batch)).slices).toEqual([{ ...NOTHING, stored: 2, parked: 3 }]);
    const ranges = await pool.any(sql.unsafe`
      SELECT schema_id, reason, from_offset, to_offset, records, status FROM analytics.crm_parked_ranges ORDER BY schema_id`);
    expect(ranges).toEqual([
      { schema_id: 7, reason: 'schema_unknown', from_offset: 1, to_offset: 4, records: 2, status: 'parked' },
      { schema_id: 8, reason: 'schema_unknown', from_offset: 4, to_offset: 5, records: 1, status: 'parked' },
    ]);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_events_log`)).toBe(2);
  });

  it('moves a position over offsets that hold nothing', async () => {
    const { runId, lane, range } = await setUp();
    const batch: Batch = { runId, mode: 'ingest', suppression: 0, slices: [sliceOf(range, 0, 10)], deliveries: [] };
    expect((await lane.writer.write(batch)).slices).toEqual([{ ...NOTHING, absent: 10 }]);
    expect(await lane.positions.list('group')).toMatchObject([{ nextOffset: 10 }]);
  });

  it('writes several partitions in one batch and counts each', async () => {
    const { runId, lane, ranges } = await setUp('crm.leads', 3);
    const parts = ranges.map((range, index) => batchOf(range, [lead(`a${index}`), lead('same')], runId));
    const batch: Batch = {
      runId,
      mode: 'ingest',
      suppression: 0,
      slices: parts.flatMap((part) => part.slices),
      deliveries: parts.flatMap((part, slice) => part.deliveries.map((delivery) => ({ ...delivery, slice }))),
    };
    expect((await lane.writer.write(batch)).slices).toEqual([
      { ...NOTHING, stored: 2 },
      { ...NOTHING, stored: 1, skipped: 1 },
      { ...NOTHING, stored: 1, skipped: 1 },
    ]);
  });
});

describe('fencing', () => {
  it('refuses the whole batch when one of its ranges was taken over', async () => {
    const { pool, runId, lane, store, ranges } = await setUp('crm.leads', 2);
    const successor = await openTestLane(store);
    await successor.positions.claim({ ...claimRequest('crm.leads', runId), owner: 'successor' });
    const zombie = await openTestLane(store);
    const parts = ranges.map((range, index) => batchOf(range, [lead(`a${index}`)], runId));
    const batch: Batch = {
      runId,
      mode: 'ingest',
      suppression: 0,
      slices: parts.flatMap((part) => part.slices),
      deliveries: parts.flatMap((part, slice) => part.deliveries.map((delivery) => ({ ...delivery, slice }))),
    };
    await expect(zombie.writer.write(batch)).rejects.toBeInstanceOf(FencedError);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging`)).toBe(0);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_events_log`)).toBe(0);
    // The takeover ended the first lane's connection, so that it can't be in the successor's way.
    await expect(lane.writer.write(batch)).rejects.toBeInstanceOf(WriteError);
  });

  it('refuses a batch without records under an old epoch as well', async () => {
    const { runId, store, range } = await setUp();
    const successor = await openTestLane(store);
    await successor.positions.claim(claimRequest('crm.leads', runId));
    const zombie = await openTestLane(store);
    const batch: Batch = { runId, mode: 'ingest', suppression: 0, slices: [sliceOf(range, 0, 3)], deliveries: [] };
    await expect(zombie.writer.write(batch)).rejects.toBeInstanceOf(FencedError);
  });

  it('refuses a delivery from outside of what the batch has claimed', async () => {
    const { pool, runId, lane, range } = await setUp();
    for (const events of [
      [lead('a'), lead('b')],
      [lead('a'), lead('b'), 'bad' as const],
    ]) {
      const batch = batchOf(range, events, runId);
      const stray = batch.deliveries[1] as (typeof batch.deliveries)[number];
      batch.deliveries[1] = { ...stray, record: { ...stray.record, offset: events.length } };
      await expect(lane.writer.write(batch)).rejects.toMatchObject({
        name: 'WriteError',
        code: expect.stringMatching(/^(CF003|23514)$/),
      });
    }
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*)::int FROM analytics.crm_event_ledger`)).toBe(0);
  });

  it('refuses a batch that does not begin where the position stands, and knows one that was committed', async () => {
    const { runId, lane, range } = await setUp();
    const batch = batchOf(range, [lead('a')], runId);
    expect(await lane.writer.committed(batch)).toBeNull();
    const written = await lane.writer.write(batch);
    await expect(lane.writer.write(batch)).rejects.toBeInstanceOf(FencedError);
    expect(await lane.writer.committed(batch)).toEqual({ slices: written.slices, events: [], retries: [] });
  });

  it('lets leases follow a lane to a new connection, but not one that was fenced', async () => {
    const { runId, store, range } = await setUp();
    const again = await openTestLane(store, [range]);
    await again.writer.write(batchOf(range, [lead('a')], runId));
    await expect(store.openLane([{ ...range, epoch: range.epoch - 1 }])).rejects.toBeInstanceOf(FencedError);
  });
});

describe('refusals', () => {
  it('keep the code, constraint and column, and nothing of the row', async () => {
    const { runId, lane, range } = await setUp();
    const secret = 'canary@example.com';
    const refused = lane.writer.write(batchOf(range, [lead('a', { status: secret.repeat(10) })], runId));
    const error = await refused.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(WriteError);
    expect(error).toMatchObject({ code: '22001' });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('canary');
    expect((error as Error).cause).toBeUndefined();
  });
});

describe('crossing ids', () => {
  it('two lanes that write the same ids at the same time wait for each other', async () => {
    const { pool, runId, lane, store, range } = await setUp();
    const other = await openTestLane(store);
    const [otherRange] = await claimPartitions(other, runId, 'crm.events');
    const ids = Array.from({ length: 2_000 }, (_, index) => `id-${index}`);
    let [here, there] = [range, otherRange as ClaimedRange];
    for (let round = 0; round < 3; round += 1) {
      const mine = ids.map((id) => lead(`${round}-${id}`));
      const [a, b] = await Promise.all([
        writeUntilSettled(lane.writer, batchOf(here, mine, runId)),
        writeUntilSettled(other.writer, batchOf(there, mine.toReversed(), runId)),
      ]);
      expect((a.slices[0]?.stored ?? 0) + (b.slices[0]?.stored ?? 0)).toBe(2_000);
      here = { ...here, nextOffset: here.nextOffset + 2_000 };
      there = { ...there, nextOffset: there.nextOffset + 2_000 };
    }
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging`)).toBe(6_000);
  });
});

/** A batch whose ids another lane commits meanwhile is refused with CF002 and sent again, never with a deadlock. */
async function writeUntilSettled(
  writer: { write(batch: Batch): Promise<{ slices: Array<{ stored: number }> }> },
  batch: Batch,
) {
  for (;;) {
    try {
      return await writer.write(batch);
    } catch (error) {
      expect(error).toMatchObject({ code: 'CF002' });
    }
  }
}

function claimRequest(topic: string, runId: string) {
  return {
    scope: 'group',
    runId,
    owner: 'test',
    ranges: [{ topic, partition: 0, initial: 0, rangeStart: 0, endOffset: null, topicId: null }],
  };
}
