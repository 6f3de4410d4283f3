import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createLaneConnection } from '../../activities/lane-connection.ts';
import { type PersistDeps, persist } from '../../activities/persist.ts';
import { type Batch, type ClaimedRange, FencedError, type Store } from '../../activities/ports.ts';
import { batchOf, lead, opportunity, record } from '../helpers/batches.ts';
import { claimPartitions, createTestStore, openTestLane } from '../helpers/lane-store.ts';

async function setUp(partitions = 1, settings = '') {
  const { pool, store, runId } = await createTestStore({ settings });
  const lane = await openTestLane(store);
  const ranges = await claimPartitions(lane, runId, 'crm.leads', partitions);
  return { pool, store, runId, ranges, range: ranges[0] as ClaimedRange };
}

function depsOf(store: Store, held: ClaimedRange[]) {
  const connection = createLaneConnection(store, () => held);
  const seen = { retries: 0, splits: 0, troubles: [] as string[] };
  const deps: PersistDeps = {
    writer: connection.writer,
    drop: connection.drop,
    observer: {
      batchRetried: () => {
        seen.retries += 1;
      },
      batchSplit: () => {
        seen.splits += 1;
      },
    },
    onTrouble: (reason) => {
      seen.troubles.push(reason);
    },
  };
  return { deps, seen, connection };
}

const never = new AbortController().signal;

describe('persist', () => {
  it('lets a row that another transaction keeps locked wait for a retry, and writes the rest', async () => {
    const { pool, store, runId, ranges, range } = await setUp(1, '-c lock_timeout=200ms');
    const { deps, connection } = depsOf(store, ranges);
    const released = Promise.withResolvers<void>();
    const inserted = Promise.withResolvers<void>();
    const locking = pool.transaction(async (transaction) => {
      await transaction.query(sql.unsafe`
        INSERT INTO analytics.crm_event_ledger
          (event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, run_id, content_hash)
        VALUES ('locked', 'org-1', 1, 1, 0, 99, now(), ${runId}::uuid, 1)`);
      inserted.resolve();
      await released.promise;
      throw new Error('rolled back');
    });
    await inserted.promise;
    const batch = batchOf(range, [lead('a'), lead('locked'), lead('b')], runId);
    const result = await persist(deps, batch, never);
    released.resolve();
    await expect(locking).rejects.toThrow('rolled back');
    await connection.close();

    expect(result.slices).toMatchObject([{ stored: 2, failed: 1, dead: 0 }]);
    expect(result.retries).toHaveLength(1);
    const rows = await pool.any(sql.unsafe`
      SELECT event_id, status, error_code, sqlstate, next_attempt_at IS NOT NULL AS due FROM analytics.crm_failed_events`);
    expect(rows).toEqual([
      { event_id: 'locked', status: 'failed', error_code: 'row_contended', sqlstate: '55P03', due: true },
    ]);
  });

  it('lets a row that refers to one that is not there yet wait for a retry', async () => {
    const { pool, store, runId, ranges, range } = await setUp();
    await pool.query(sql.unsafe`CREATE TABLE owners (name text PRIMARY KEY)`);
    await pool.query(
      sql.unsafe`ALTER TABLE analytics.crm_leads_staging ADD FOREIGN KEY (assigned_to) REFERENCES owners`,
    );
    const { deps, connection } = depsOf(store, ranges);
    const batch = batchOf(range, [lead('a'), lead('b', { assignedTo: 'nobody' })], runId);
    const result = await persist(deps, batch, never);
    await connection.close();
    expect(result.slices).toMatchObject([{ stored: 1, failed: 1 }]);
    const rows = await pool.any(sql.unsafe`SELECT event_id, error_code, sqlstate FROM analytics.crm_failed_events`);
    expect(rows).toEqual([{ event_id: 'b', error_code: 'missing_reference', sqlstate: '23503' }]);
  });

  it('finds the rows that PostgreSQL refuses, keeps them with their reason and writes the rest', async () => {
    const { pool, store, runId, ranges } = await setUp(2);
    const { deps, seen, connection } = depsOf(store, ranges);
    const bad = lead('bad', { firstName: 'x'.repeat(300) });
    const worse = opportunity('worse', { amount: '1e40' });
    const [first, second] = ranges as [ClaimedRange, ClaimedRange];
    const parts = [
      batchOf(first, [lead('a'), bad, 'tombstone', lead('b'), lead('c')], runId),
      batchOf(second, [lead('d'), lead('e'), worse], runId),
    ];
    const batch: Batch = {
      runId,
      mode: 'ingest',
      suppression: 0,
      slices: parts.flatMap((part) => part.slices),
      deliveries: parts.flatMap((part, slice) => part.deliveries.map((delivery) => ({ ...delivery, slice }))),
    };
    const result = await persist(deps, batch, never);
    await connection.close();

    expect(result.slices).toMatchObject([
      { stored: 3, dead: 1, tombstones: 1 },
      { stored: 2, dead: 1 },
    ]);
    expect(seen.splits).toBeGreaterThan(0);
    expect(seen.troubles).toEqual([]);
    const failed = await pool.any(
      sql.unsafe`SELECT event_id, error_code, error_message, encode(value, 'escape') AS value FROM analytics.crm_failed_events ORDER BY 1`,
    );
    expect(failed).toEqual([
      {
        event_id: 'bad',
        error_code: 'refused_by_database',
        error_message: 'PostgreSQL refused the row: SQLSTATE 22001',
        value: 'payload',
      },
      {
        event_id: 'worse',
        error_code: 'refused_by_database',
        error_message: 'PostgreSQL refused the row: SQLSTATE 22003',
        value: 'payload',
      },
    ]);
    const chain = await pool.any(sql.type(z.object({ from: z.number(), next: z.number(), moved: z.number() }))`
      SELECT min(from_offset) AS "from", max(next_offset) AS next, sum(next_offset - from_offset)::int AS moved
      FROM analytics.crm_batches GROUP BY position_id ORDER BY position_id
    `);
    expect(chain.map(({ from, next, moved }) => [from, next, moved])).toEqual([
      [0, 5, 5],
      [0, 3, 3],
    ]);
  });

  it('splits at exact offsets when records are absent in between', async () => {
    const { pool, store, runId, range } = await setUp();
    const { deps, connection } = depsOf(store, [range]);
    const offsets = [3, 10, 11, 40];
    const bad = lead('bad', { firstName: 'x'.repeat(300) });
    const events = [lead('a'), lead('b'), bad, lead('c')];
    const batch: Batch = {
      runId,
      mode: 'ingest',
      suppression: 0,
      slices: [
        {
          range,
          from: 0,
          next: 50,
          records: 4,
          absent: 46,
          firstTimestamp: 1,
          last: { offset: 40, timestamp: 1, checksum: 2 },
        },
      ],
      deliveries: events.map((event, index) => ({
        kind: 'stage',
        slice: 0,
        record: record(offsets[index] as number),
        event,
        schemaId: 1,
      })),
    };
    const result = await persist(deps, batch, never);
    await connection.close();
    expect(result.slices).toMatchObject([{ stored: 3, dead: 1, absent: 46 }]);
    const at = await pool.oneFirst(sql.unsafe`SELECT next_offset FROM analytics.crm_positions`);
    expect(at).toBe(50);
  });

  it('waits while the installation is at fault, charges nobody, and goes on by itself', async () => {
    const { pool, store, runId, range } = await setUp();
    const { deps, seen, connection } = depsOf(store, [range]);
    await pool.query(sql.unsafe`ALTER TABLE analytics.crm_event_ledger RENAME TO away`);
    const writing = persist(deps, batchOf(range, [lead('a'), lead('b')], runId), never);
    await expect.poll(() => seen.retries).toBeGreaterThan(1);
    await pool.query(sql.unsafe`ALTER TABLE analytics.away RENAME TO crm_event_ledger`);
    expect((await writing).slices).toMatchObject([{ stored: 2, failed: 0, dead: 0 }]);
    await connection.close();
    expect(seen.troubles[0]).toBe('PostgreSQL is in trouble (42P01)');
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_failed_events`)).toBe(0);
  });

  it('gets over an ended connection, and over a commit whose answer never came', async () => {
    const { pool, store, runId, range } = await setUp();
    const { deps, connection } = depsOf(store, [range]);
    const batch = batchOf(range, [lead('a')], runId);
    await persist(deps, batch, never);
    await pool.query(sql.unsafe`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'crm-test-lane' AND datname = current_database()
    `);
    // The lane can't know that the batch was committed: it sends it again and must find out.
    const result = await persist(deps, batch, never);
    await connection.close();
    expect(result).toMatchObject({ slices: [{ stored: 1 }], events: [] });
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging`)).toBe(1);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_batches`)).toBe(1);
  });

  it('gives up when another lane took over', async () => {
    const { store, runId, range } = await setUp();
    const { deps, connection } = depsOf(store, [range]);
    await connection.writer();
    await claimPartitions(await openTestLane(store), runId, 'crm.leads');
    await expect(persist(deps, batchOf(range, [lead('a')], runId), never)).rejects.toBeInstanceOf(FencedError);
    await connection.close();
  });

  it('stops waiting when it is told to', async () => {
    const { pool, store, runId, range } = await setUp();
    const { deps, seen, connection } = depsOf(store, [range]);
    await pool.query(sql.unsafe`ALTER TABLE analytics.crm_event_ledger RENAME TO away`);
    const abort = new AbortController();
    const writing = persist(deps, batchOf(range, [lead('a')], runId), abort.signal);
    const outcome = expect(writing).rejects.toMatchObject({ name: 'AbortError' });
    await expect.poll(() => seen.retries).toBeGreaterThan(0);
    abort.abort();
    await outcome;
    await connection.close();
  });
});
