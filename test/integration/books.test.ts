import { MockActivityEnvironment } from '@temporalio/testing';
import fc from 'fast-check';
import { type DatabasePool, sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createSweepBooks } from '../../activities/books.ts';
import type { SettledOutcome, Settlement } from '../../activities/failed-ports.ts';
import type { ClaimedRange } from '../../activities/ports.ts';
import { createBooksObserver } from '../../adapters/observe/books-observer.ts';
import { readBooks } from '../../adapters/postgres/books.ts';
import { createBooksKeeper } from '../../adapters/postgres/books-keeper.ts';
import { chainTotals } from '../../adapters/postgres/counters.ts';
import { foldChain } from '../../adapters/postgres/keep-books.ts';
import { checkBooks, identitiesWithLedger } from '../../adapters/postgres/weigh-books.ts';
import { type ChainStep, walkChain } from '../../domain/books.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { batchOf, lead, record } from '../helpers/batches.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { claimPartitions, createTestStore, openTestLane } from '../helpers/lane-store.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';

const TOPIC = 'crm.leads';
const HOUR_MS = 3_600_000;

/** One partition into which five batches of ten were written: 48 leads, a duplicate and a dead letter. */
async function fiveBatches() {
  const { pool, store, runId } = await createTestStore();
  const lane = await openTestLane(store);
  let [range] = (await claimPartitions(lane, runId, TOPIC)) as [ClaimedRange];
  for (let batch = 0; batch < 5; batch += 1) {
    const events = Array.from({ length: 10 }, (_, index) => lead(`b${batch}-${index}`));
    await lane.writer.write(batchOf(range, batch === 4 ? [...events.slice(0, 8), lead('b0-0'), 'bad'] : events, runId));
    range = { ...range, nextOffset: range.nextOffset + 10 };
  }
  return { pool, store, lane, runId, range };
}

function sweeperOf(pool: DatabasePool) {
  const metrics = createMetrics();
  const logger = recordingLogger();
  const { sweepBooks } = createSweepBooks({
    keeper: createBooksKeeper(pool),
    observer: createBooksObserver(metrics, logger),
    foldAfterHours: 2,
  });
  const sweep = () => new MockActivityEnvironment().run(sweepBooks, { consumerGroup: 'group' });
  const gauges = async () => ({
    gaps: (await metrics.booksGaps.get()).values[0]?.value,
    imbalance: (await metrics.booksImbalance.get()).values[0]?.value,
  });
  return { sweep, gauges, logger };
}

const incident = z.object({
  kind: z.string(),
  topic: z.string().nullable(),
  partition: z.number().nullable(),
  from_offset: z.number().nullable(),
  to_offset: z.number().nullable(),
  details: z.record(z.string(), z.unknown()),
});

const incidentsOf = (pool: DatabasePool) =>
  pool.any(sql.type(incident)`
    SELECT kind, topic, partition, from_offset, to_offset, details FROM analytics.crm_incidents ORDER BY incident_id
  `);

describe('the books', () => {
  it('balance after batches, and add up what became of the records', async () => {
    const { pool } = await fiveBatches();

    const books = await readBooks(pool, 'group');

    expect(books).toMatchObject({ breaks: [], jumps: [], parked: [] });
    expect(books.partitions).toEqual([
      {
        topic: TOPIC,
        incarnation: 1,
        partition: 0,
        closed: false,
        from: 0,
        next: 50,
        sums: {
          records: 50,
          stored: 48,
          skipped: 1,
          conflicts: 0,
          changed: 0,
          filtered: 0,
          failed: 0,
          dead: 1,
          tombstones: 0,
          parked: 0,
          absent: 0,
          batches: 5,
        },
        jumps: 0,
        breaks: 0,
        moves: [],
      },
    ]);
    expect(books.identities.map(({ name, booked, counted }) => [name, booked, counted])).toEqual([
      ['failed', 0, 0],
      ['dead', 1, 1],
      ['discarded', 0, 0],
      ['parked', 0, 0],
    ]);
    const { sweep, gauges } = sweeperOf(pool);
    expect(await sweep()).toEqual({ folded: 0, breaks: 0, imbalance: 0, incidents: 0 });
    expect(await gauges()).toEqual({ gaps: 0, imbalance: 0 });
  });

  it('tell a seek and lost offsets apart from gaps', async () => {
    const { pool, lane, runId, range } = await fiveBatches();
    const back = await lane.positions.jump(range, 40, 'seek', runId);
    await lane.writer.write(batchOf(back, [lead('b4-0')], runId));
    const stood = { ...back, nextOffset: 41 };
    const ahead = await lane.positions.jump(stood, 70, 'retention', runId);
    await lane.writer.write(batchOf(ahead, [lead('new')], runId));

    const books = await readBooks(pool, 'group');

    expect(books.breaks).toEqual([]);
    expect(books.partitions).toMatchObject([{ next: 71, jumps: 2, breaks: 0, sums: { batches: 7, skipped: 2 } }]);
    expect(books.jumps.map(({ kind, from, to }) => [kind, from, to])).toEqual([
      ['retention', 41, 70],
      ['seek', 50, 40],
    ]);
  });

  it.each([
    ['at the beginning', 0, 10],
    ['in the middle', 20, 30],
    ['at the end', 40, 50],
  ])(
    'have a gap where a batch is missing %s: an incident once, a metric, and a line in the log',
    async (_, from, to) => {
      const { pool } = await fiveBatches();
      const { sweep, gauges, logger } = sweeperOf(pool);
      await pool.query(sql.unsafe`DELETE FROM analytics.crm_batches WHERE from_offset = ${from}`);

      await sweep();
      await sweep();

      expect(await gauges()).toMatchObject({ gaps: 1 });
      const [gap] = (await incidentsOf(pool)).filter(({ kind }) => kind === 'books_gap');
      expect(gap).toEqual({
        kind: 'books_gap',
        topic: TOPIC,
        partition: 0,
        from_offset: from,
        to_offset: to,
        details: { incarnation: 1, chain: 'group' },
      });
      expect((await incidentsOf(pool)).filter(({ kind }) => kind === 'books_gap')).toHaveLength(1);
      const lines = logger.lines.filter(({ fields }) => fields?.kind === 'books_gap');
      expect(lines).toMatchObject([{ level: 'error', fields: { topic: TOPIC, partition: 0, from, to } }]);
      const { partitions, breaks } = await readBooks(pool, 'group');
      expect(partitions).toMatchObject([{ breaks: 1 }]);
      expect(breaks).toMatchObject([{ kind: 'gap', topic: TOPIC, partition: 0, from, to }]);
    },
  );

  it('have a gap where a whole chain is missing', async () => {
    const { pool } = await fiveBatches();
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_batches`);
    expect((await checkBooks(pool)).breaks).toMatchObject([{ kind: 'gap', from: 0, to: 50 }]);
  });

  it('have an overlap where two batches account for the same offsets', async () => {
    const { pool } = await fiveBatches();
    const { sweep, gauges } = sweeperOf(pool);
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_batches SET from_offset = 25, records = 15, stored = 15 WHERE from_offset = 30
    `);

    expect(await sweep()).toMatchObject({ breaks: 1, incidents: 1 });

    expect(await gauges()).toMatchObject({ gaps: 1 });
    expect(await incidentsOf(pool)).toMatchObject([{ kind: 'books_overlap', from_offset: 25, to_offset: 30 }]);
  });

  it('do not balance with a failed event that nobody booked, which is an incident until the difference changes', async () => {
    const { pool } = await fiveBatches();
    const { sweep, gauges } = sweeperOf(pool);
    const forge = (offset: number) =>
      pool.query(sql.unsafe`
        INSERT INTO analytics.crm_failed_events (
          source_id, topic, partition, "offset", status, error_code, error_message, event_timestamp, record_timestamp,
          run_id
        )
        SELECT source_id, topic, partition, ${offset}, 'failed', error_code, error_message, event_timestamp,
          record_timestamp, run_id
        FROM analytics.crm_failed_events WHERE "offset" = 49
      `);
    await forge(1);

    expect(await sweep()).toMatchObject({ imbalance: 1, incidents: 1 });
    expect(await sweep()).toMatchObject({ imbalance: 1, incidents: 0 });
    await forge(2);
    expect(await sweep()).toMatchObject({ imbalance: 2, incidents: 1 });

    expect(await gauges()).toEqual({ gaps: 0, imbalance: 2 });
    expect(await incidentsOf(pool)).toMatchObject([
      { kind: 'books_imbalance', details: { identity: 'failed', booked: 0, counted: 1 } },
      { kind: 'books_imbalance', details: { identity: 'failed', booked: 0, counted: 2 } },
    ]);
  });

  it('follow what retries, redrives and enqueued messages make of events', async () => {
    const { pool, store, runId, lane, range } = await fiveBatches();
    await lane.writer.write(batchOf(range, ['bad', 'bad'], runId));
    const failed = await pool.any(
      sql.type(z.object({ failed_id: z.number(), offset: z.number(), at: z.number() }))`
        SELECT failed_id, "offset", event_timestamp AS at FROM analytics.crm_failed_events ORDER BY "offset"
      `,
    );
    expect(await chainTotals(pool, 'group')).toMatchObject({ processed: 48, dead: 3 });
    const { sourceId, incarnation, topic, partition } = range;
    const settled = (cause: Settlement['cause'], offset: number, outcome: object) => {
      const known = failed.find((event) => event.offset === offset);
      return store.settler.settle({
        runId,
        cause,
        suppression: 0,
        redriveId: null,
        deliveries: [
          {
            failed: known ? { failedId: known.failed_id, loggedAt: known.at, correctedAt: null } : null,
            source: { sourceId, incarnation, topic, partition },
            outcome: { slice: 0, record: record(offset), schemaId: 1, ...outcome } as SettledOutcome,
            verdict: { status: 'failed', nextAttemptAt: Date.now() },
          },
        ],
      });
    };
    const rejected = { kind: 'rejected', rejection: { code: 'row_contended', detail: 'locked' }, event: {} };
    await settled('redrive', 49, { kind: 'stage', event: lead('mended') });
    await settled('redrive', 50, { kind: 'stage', event: lead('b0-1') });
    await settled('retry', 51, rejected);
    await settled('enqueue', 200, { kind: 'stage', event: lead('ahead') });
    await settled('enqueue', 201, rejected);

    expect(await chainTotals(pool, 'group')).toMatchObject({ processed: 50, skipped: 2, failed: 2, dead: 0 });
    const { identities, partitions } = await readBooks(pool, 'group');
    expect(identities.map(({ name, booked, counted }) => [name, booked, counted])).toEqual([
      ['failed', 2, 2],
      ['dead', 0, 0],
      ['discarded', 0, 0],
      ['parked', 0, 0],
    ]);
    expect(partitions[0]?.moves).toEqual([
      { cause: 'enqueue', from: 'unread', to: 'failed', events: 1 },
      { cause: 'enqueue', from: 'unread', to: 'processed', events: 1 },
      { cause: 'redrive', from: 'dead', to: 'processed', events: 1 },
      { cause: 'redrive', from: 'dead', to: 'skipped', events: 1 },
      { cause: 'retry', from: 'dead', to: 'failed', events: 1 },
    ]);
    const ledger = (await identitiesWithLedger(pool)).find(({ name }) => name === 'stored');
    expect(ledger).toMatchObject({ booked: 50, counted: 50 });
  });

  it('count an event once that is read again after it had failed', async () => {
    const { pool, lane, runId, range } = await fiveBatches();
    const back = await lane.positions.jump(range, 48, 'seek', runId);
    await lane.writer.write(batchOf(back, [lead('b0-0'), lead('mended')], runId));

    const { identities } = await readBooks(pool, 'group');
    expect(identities.filter(({ booked, counted }) => booked !== counted)).toEqual([]);
    expect(await chainTotals(pool, 'group')).toMatchObject({ processed: 49, dead: 0 });
    const ledger = (await identitiesWithLedger(pool)).find(({ name }) => name === 'stored');
    expect(ledger).toMatchObject({ booked: 49, counted: 49 });
  });
});

describe('folding', () => {
  const age = (pool: DatabasePool) =>
    pool.query(sql.unsafe`
      UPDATE analytics.crm_batches SET committed_at = date_trunc('hour', now()) - interval '4 hours' + from_offset * interval '1 second'
    `);

  it('makes one row of an hour, keeps every sum, and leaves a later gap visible', async () => {
    const { pool, lane, range, runId } = await fiveBatches();
    const before = await readBooks(pool, 'group');
    await age(pool);
    // A claim raises the epoch, as every slice of a lane does.
    const [claimed] = (await claimPartitions(lane, runId, TOPIC)) as [ClaimedRange];
    expect(claimed.epoch).toBeGreaterThan(range.epoch);

    expect(await foldChain(pool, new Date(Date.now() - 2 * HOUR_MS), 1_000)).toBe(4);

    expect(await readBooks(pool, 'group')).toEqual(before);
    expect(await pool.one(sql.unsafe`SELECT from_offset, next_offset, batches FROM analytics.crm_batches`)).toEqual({
      from_offset: 0,
      next_offset: 50,
      batches: 5,
    });
    expect(await foldChain(pool, new Date(Date.now() - 2 * HOUR_MS), 1_000)).toBe(0);

    const next = batchOf(claimed, [lead('later')], runId);
    await lane.writer.write(next);
    await lane.writer.write(batchOf({ ...claimed, nextOffset: 51 }, [lead('last')], runId));
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_batches WHERE from_offset = 50`);
    expect((await checkBooks(pool)).breaks).toMatchObject([{ kind: 'gap', from: 50, to: 51 }]);
  });

  it('leaves batches alone that a lane may still ask for', async () => {
    const { pool, lane, range, runId } = await fiveBatches();
    const batch = batchOf(range, [lead('doubt')], runId);
    await lane.writer.write(batch);

    expect(await foldChain(pool, new Date(Date.now() - HOUR_MS), 1_000)).toBe(0);
    expect(await lane.writer.committed(batch)).not.toBeNull();
  });

  it('does not fold across a gap', async () => {
    const { pool } = await fiveBatches();
    await age(pool);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_batches WHERE from_offset = 20`);

    await foldChain(pool, new Date(), 1_000);

    const rows = await pool.any(sql.unsafe`
      SELECT from_offset, next_offset, batches FROM analytics.crm_batches ORDER BY from_offset
    `);
    expect(rows).toEqual([
      { from_offset: 0, next_offset: 20, batches: 2 },
      { from_offset: 30, next_offset: 50, batches: 2 },
    ]);
    expect((await checkBooks(pool)).breaks).toMatchObject([{ kind: 'gap', from: 20, to: 30 }]);
  });

  it('is done once when several do it at the same time, beside a lane that writes', async () => {
    const { pool, lane, range, runId } = await fiveBatches();
    await age(pool);
    const folding = Array.from({ length: 8 }, () => foldChain(pool, new Date(), 1_000));
    await lane.writer.write(batchOf(range, [lead('meanwhile')], runId));
    const gone = await Promise.all(folding);

    expect(gone.reduce((sum, rows) => sum + rows)).toBe(4);
    const { partitions, breaks } = await readBooks(pool, 'group');
    expect(breaks).toEqual([]);
    expect(partitions).toMatchObject([{ next: 51, sums: { batches: 6, records: 51 } }]);
  });

  it('takes in a bounded number of rows, and all of them in the end', async () => {
    const { pool, lane, runId } = await fiveBatches();
    const second = (await claimPartitions(lane, runId, TOPIC, 2))[1] as ClaimedRange;
    await lane.writer.write(batchOf(second, [lead('x')], runId));
    await lane.writer.write(batchOf({ ...second, nextOffset: 1 }, [lead('y')], runId));
    await age(pool);

    expect(await foldChain(pool, new Date(), 1)).toBe(4);
    expect(await foldChain(pool, new Date(), 1)).toBe(1);
    expect(await foldChain(pool, new Date(), 1)).toBe(0);
  });
});

describe('SQL and arithmetic', () => {
  it('find the same breaks in any chain', async () => {
    const { pool } = await createTestDatabase();
    await pool.query(
      sql.unsafe`INSERT INTO analytics.crm_runs (run_id, kind, scope) VALUES (gen_random_uuid(), 'live', 'g')`,
    );
    await pool.query(sql.unsafe`INSERT INTO analytics.crm_sources (topic) VALUES ('t')`);
    const step = fc.record({
      kind: fc.constantFrom<ChainStep['kind']>('batch', 'batch', 'batch', 'seek', 'retention'),
      epoch: fc.integer({ min: 1, max: 3 }),
      from: fc.nat(8),
      length: fc.integer({ min: 1, max: 4 }),
    });
    const chains = fc.uniqueArray(step, { selector: ({ epoch, from }) => epoch * 100 + from, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(chains, fc.nat(12), async (drawn, position) => {
        const steps = drawn
          .map(({ length, ...rest }): ChainStep => ({ ...rest, next: rest.from + length }))
          .toSorted((a, b) => a.epoch - b.epoch || a.from - b.from);
        await pool.query(sql.unsafe`TRUNCATE analytics.crm_positions, analytics.crm_batches`);
        const id = await pool.oneFirst(sql.type(z.object({ position_id: z.number() }))`
          INSERT INTO analytics.crm_positions (scope, source_id, partition, range_start, next_offset, run_id)
          SELECT 'g', source_id, 0, 0, ${position}, (SELECT run_id FROM analytics.crm_runs) FROM analytics.crm_sources
          RETURNING position_id
        `);
        for (const { kind, epoch, from, next } of steps) {
          await pool.query(sql.unsafe`
            INSERT INTO analytics.crm_batches (position_id, epoch, from_offset, next_offset, kind, records, stored, run_id)
            SELECT ${id}, ${epoch}, ${from}, ${next}, ${kind}, ${next - from}, ${next - from}, run_id FROM analytics.crm_runs
          `);
        }
        const walk = walkChain();
        for (const one of steps) walk.take(one);
        const order = (breaks: ReadonlyArray<{ kind: string; from: number; to: number }>) =>
          breaks.map(({ kind, from, to }) => `${kind} ${from} ${to}`).sort();
        expect(order((await checkBooks(pool)).breaks)).toEqual(order(walk.finish(position).breaks));
      }),
      { numRuns: 60 },
    );
  });
});
