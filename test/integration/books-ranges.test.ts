import { randomUUID } from 'node:crypto';
import { type DatabasePool, sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Batch, ClaimedRange, WriteMode } from '../../activities/ports.ts';
import { createAuditStore } from '../../adapters/postgres/audits.ts';
import { readBooks } from '../../adapters/postgres/books.ts';
import { chainTotals } from '../../adapters/postgres/counters.ts';
import { foldChain } from '../../adapters/postgres/keep-books.ts';
import { createLegalHolds } from '../../adapters/postgres/legal-holds.ts';
import { createMaintenanceWork } from '../../adapters/postgres/maintenance.ts';
import { createRetentionRules } from '../../adapters/postgres/retention.ts';
import { identitiesWithLedger } from '../../adapters/postgres/weigh-books.ts';
import { judge, type PartitionFindings } from '../../domain/audit.ts';
import { imbalanceOf } from '../../domain/books.ts';
import type { StagedEvent } from '../../domain/staging.ts';
import { batchOf, lead } from '../helpers/batches.ts';
import { createTestStore, openTestLane } from '../helpers/lane-store.ts';

type Events = Array<StagedEvent | 'tombstone' | 'bad'>;

const TOPIC = 'crm.leads';
const DAY = (day: number) => Date.UTC(2026, 10, day, 12);
const a = lead('a', { eventTimestamp: DAY(1) });
const b = lead('b', { eventTimestamp: DAY(2) });
const c = lead('c', { eventTimestamp: DAY(3) });

/** A lane, ranges that it reads as live reading, as a replay or as a backfill does, and what the books say of it all. */
async function createBooks() {
  const { pool, store, runId } = await createTestStore();
  const lane = await openTestLane(store);

  /** Reads events at the offsets from `from` on, and claims the range first. */
  async function read(
    kind: 'live' | 'replay' | 'backfill',
    events: Events,
    { from = 0, mode = 'ingest', topic = TOPIC }: { from?: number; mode?: WriteMode; topic?: string } = {},
  ) {
    const run = kind === 'live' ? runId : randomUUID();
    await store.runs.start({ runId: run, kind, scope: 'group' });
    const endOffset = kind === 'live' ? null : from + events.length;
    const [range] = await lane.positions.claim({
      scope: kind === 'live' ? 'group' : run,
      runId: run,
      owner: 'test',
      ranges: [
        { topic, partition: 0, initial: from, rangeStart: kind === 'live' ? 0 : from, endOffset, topicId: null },
      ],
    });
    await lane.writer.write({ ...batchOf(range as ClaimedRange, events, run), mode } satisfies Batch);
    return run;
  }

  async function audit(asked: { from?: number; topic?: string } = {}): Promise<PartitionFindings> {
    const audits = createAuditStore(pool);
    const [target] = await audits.targets('group', { topic: asked.topic ?? TOPIC, recount: false });
    const examined = await audits.examine(target!, { from: asked.from ?? null, to: null }, () => {});
    return judge(examined, null);
  }

  /** All that the books and an audit find wrong. */
  async function wrong(asked: { from?: number; topic?: string } = {}) {
    const { breaks } = await readBooks(pool, 'group');
    const identities = await identitiesWithLedger(pool);
    const broken = imbalanceOf(identities) === 0 ? [] : identities;
    return [...breaks, ...broken, ...(await audit(asked)).findings];
  }
  return { pool, read, audit, wrong };
}

const retire = (pool: DatabasePool, parent: string, at: number, how: 'dropped' | 'detached') =>
  pool.oneFirst(sql.type(z.object({ id: z.number() }))`
    SELECT analytics.crm_retire_partition(p.parent, p.partition, ${how}) AS id
    FROM analytics.crm_partitions p
    WHERE p.parent = ${parent} AND p.lower_bound <= to_timestamp(${at / 1000}) AND to_timestamp(${at / 1000}) < p.upper_bound
      AND NOT p.is_default`);

describe('replays', () => {
  it.each<[WriteMode, Events]>([
    ['missing', [a, b, 'bad', a]],
    ['restore', [a, b, 'bad', a]],
    ['overwrite', [{ ...a, status: 'open', contentHash: 1 }, b, 'bad', a]],
  ])('in mode %s count nothing twice, and the books stay sound', async (mode, again) => {
    const { pool, read, wrong } = await createBooks();
    await read('live', [a, b, 'bad', a]);
    const totals = await chainTotals(pool, 'group');
    expect(totals).toMatchObject({ processed: 2, skipped: 1, dead: 1 });
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE event_id = 'b' AND ${mode} = 'restore'`);
    await read('replay', again, { mode });
    expect(await chainTotals(pool, 'group')).toEqual(totals);
    expect(await wrong()).toEqual([]);
  });

  it('are counted for what they store and what fails anew', async () => {
    const { pool, read, wrong } = await createBooks();
    await read('live', [a]);
    await read('replay', [a, b, 'bad', b], { mode: 'missing' });
    expect(await chainTotals(pool, 'group')).toMatchObject({ processed: 2, skipped: 0, dead: 1 });
    expect(await wrong()).toEqual([]);
    await read('live', [b, 'bad', b], { from: 1 });
    expect(await wrong()).toEqual([]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_events_log WHERE event_id = 'b'`);
    expect(await wrong()).toContain('stored: 2 by the first count, 1 by the second');
  });

  it('keep what they changed in the books when those are folded', async () => {
    const { pool, read, wrong } = await createBooks();
    await read('live', [a, b]);
    const run = await read('replay', [{ ...a, score: 1, contentHash: 1 }], { mode: 'overwrite' });
    await pool.query(sql.unsafe`
      WITH halves AS (
        INSERT INTO analytics.crm_batches (position_id, epoch, from_offset, next_offset, records, skipped, changed, run_id)
        SELECT position_id, epoch, 1, 2, 1, 1, 1, run_id FROM analytics.crm_batches WHERE run_id = ${run}
        RETURNING position_id
      )
      UPDATE analytics.crm_positions p SET next_offset = 2 FROM halves h WHERE p.position_id = h.position_id`);
    await pool.query(sql.unsafe`UPDATE analytics.crm_batches SET committed_at = now() - interval '1 day'`);
    expect(await foldChain(pool, new Date(), 1_000)).toBe(1);
    const folded = await pool.any(sql.unsafe`
      SELECT records, changed FROM analytics.crm_batches WHERE run_id = ${run}`);
    expect(folded).toEqual([{ records: 2, changed: 2 }]);
    expect(await wrong()).toEqual([]);
  });
});

describe('a backfill', () => {
  it('of offsets before those of live reading is sound, and what lies between was never read', async () => {
    const { read, wrong, audit } = await createBooks();
    await read('live', [c], { from: 10 });
    await read('backfill', [a, b, a]);
    expect(await wrong()).toEqual([]);
    expect(await audit()).toMatchObject({ begins: 0, proved: { from: 0, to: 11 }, chain: { stored: 3, skipped: 1 } });
    expect(await wrong({ from: 0 })).toEqual(['the offsets 3 up to 10 were never read']);
  });

  it('of a file can be audited without Kafka', async () => {
    const { pool, read, wrong, audit } = await createBooks();
    const topic = 'file:old/leads.ndjson';
    await read('live', [c]);
    await read('backfill', [a, 'bad'], { topic, from: 1 });
    await read('backfill', [b, c], { topic, from: 3 });
    expect(await wrong({ topic })).toEqual([]);
    expect(await audit({ topic })).toMatchObject({ proved: { from: 1, to: 5 }, position: 5, kafka: null });
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE event_id = 'b'`);
    expect(await wrong({ topic })).toEqual(['1 events of the ledger have no staging row, the first at offset 3']);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_batches WHERE from_offset = 3`);
    expect(await wrong({ topic })).toContain('no batch accounts for the offsets 3 up to 5');
  });
});

describe('retention', () => {
  it('takes staging rows that nobody misses, but not one beside them', async () => {
    const { pool, read, wrong } = await createBooks();
    await read('live', [a, b, c]);
    await retire(pool, 'crm_leads_staging', DAY(1), 'dropped');
    expect(await wrong()).toEqual([]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE event_id = 'b'`);
    expect(await wrong()).toEqual(['1 events of the ledger have no staging row, the first at offset 1']);
  });

  it('of an organization takes its rows alone', async () => {
    const { pool, read, wrong } = await createBooks();
    await read('live', [a, { ...b, organizationId: 'org-2' }]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging`);
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_retired (parent, organization_id, lower_bound, upper_bound, rows, how)
      VALUES ('crm_leads_staging', 'org-2', '2026-11-01', '2026-11-03', 1, 'deleted')`);
    expect(await wrong()).toEqual(['1 events of the ledger have no staging row, the first at offset 0']);
  });

  it('before a late event came does not excuse that its row is gone', async () => {
    const { pool, read, wrong } = await createBooks();
    await read('live', [a]);
    await retire(pool, 'crm_leads_staging', DAY(1), 'dropped');
    await pool.query(sql.unsafe`
      SELECT analytics.crm_ensure_partition('crm_leads_staging', to_timestamp(${DAY(1) / 1000}), 'day')`);
    await read('live', [{ ...b, eventTimestamp: DAY(1) }], { from: 1 });
    expect(await wrong()).toEqual([]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging`);
    expect(await wrong()).toEqual(['1 events of the ledger have no staging row, the first at offset 1']);
  });

  it('of the log leaves what it took in the archive, or written down', async () => {
    const { pool, read, wrong, audit } = await createBooks();
    await read('live', [a, b, c, a]);
    await retire(pool, 'crm_events_log', DAY(2), 'detached');
    expect(await wrong()).toEqual([]);
    expect((await audit()).log).toMatchObject({ processed: 3, skipped: 1 });
    const id = await retire(pool, 'crm_events_log', DAY(1), 'dropped');
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_retired_deliveries (
        topic, topic_incarnation, partition, processing_status, first_offset, last_offset, events
      )
      VALUES (${TOPIC}, 1, 0, 'processed', 0, 0, 1), (${TOPIC}, 1, 0, 'skipped', 3, 3, 1)`);
    await pool.query(sql.unsafe`
      DROP TABLE ${sql.identifier(['analytics_archive', `crm_events_log_p20261101_r${id}`])}`);
    expect(await wrong()).toEqual([]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_events_log WHERE event_id = 'c'`);
    expect(await wrong()).toEqual(['stored: 3 by the first count, 2 by the second']);
  });
});

it('maintenance writes down what it deletes of the log', async () => {
  const { pool, read, wrong, audit } = await createBooks();
  const daysAgo = (days: number) => Date.now() - days * 86_400_000;
  const [old, held, own, recent] = [
    lead('old', { eventTimestamp: daysAgo(40) }),
    lead('held', { eventTimestamp: daysAgo(40), organizationId: 'held' }),
    lead('own', { eventTimestamp: daysAgo(20), organizationId: 'short' }),
    lead('recent', { eventTimestamp: daysAgo(1), organizationId: 'short' }),
  ];
  await read('live', [old, held, own, recent, old, 'tombstone']);
  await createLegalHolds(pool).place({ organizationId: 'held', reason: 'court', placedBy: 'ada' });
  const rule = { table: 'crm_events_log', afterwards: 'drop', late: 'quarantine', changedBy: 'ada' } as const;
  const rules = createRetentionRules(pool);
  await rules.put({ ...rule, organizationId: null, keepDays: 30 });
  await rules.put({ ...rule, organizationId: 'short', keepDays: 10 });
  const work = createMaintenanceWork(pool, { interval: 'day', ahead: 0 });
  const options = { dryRun: false, maintenanceWindow: false, signal: new AbortController().signal, progress: () => {} };
  await work.retire(options);
  await work.deleteExpired(options);

  expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_events_log`)).toBe(1);
  expect(await audit()).toMatchObject({
    log: { processed: 2, skipped: 0 },
    retired: { within: { processed: 2, skipped: 1 }, maybe: { processed: 0 } },
  });
  expect(await wrong()).toEqual([]);
});

describe('an id', () => {
  it('that was erased needs no row', async () => {
    const { pool, read, wrong } = await createBooks();
    await read('live', [a, b]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging`);
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_event_ledger SET erased_by = ${randomUUID()} WHERE event_id = 'a'`);
    expect(await wrong()).toEqual(['1 events of the ledger have no staging row, the first at offset 1']);
  });

  it('that the ledger was made to forget may be missing there, and no other', async () => {
    const { pool, read, wrong } = await createBooks();
    await read('live', [a]);
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_event_ledger SET first_seen = now() - interval '90 days' WHERE event_id = 'a'`);
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_events_log SET processed_at = now() - interval '90 days' WHERE event_id = 'a'`);
    await pool.query(sql.unsafe`
      WITH gone AS (
        DELETE FROM analytics.crm_event_ledger WHERE first_seen < now() - interval '60 days' RETURNING source_id
      )
      INSERT INTO analytics.crm_ledger_prunes (source_id, rows, first_seen_before)
      SELECT source_id, count(*), now() - interval '60 days' FROM gone GROUP BY source_id`);
    await read('live', [b], { from: 1 });
    expect(await wrong()).toEqual([]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_event_ledger WHERE event_id = 'b'`);
    expect(await wrong()).toContain('1 processed deliveries are not what the ledger says won, the first at offset 1');
  });

  it('that it was made to forget is stored again by a replay, and only by one', async () => {
    const { pool, read, wrong } = await createBooks();
    await read('live', [a, b]);
    await pool.query(sql.unsafe`
      WITH gone AS (
        DELETE FROM analytics.crm_event_ledger WHERE event_id = 'a' RETURNING source_id
      )
      INSERT INTO analytics.crm_ledger_prunes (source_id, rows, first_seen_before)
      SELECT source_id, count(*), now() - interval '60 days' FROM gone GROUP BY source_id`);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE event_id = 'a'`);
    await read('replay', [a, b], { mode: 'missing' });
    expect(await wrong()).toEqual([]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_events_log`);
    expect(await wrong()).toContain('stored: 2 to 3 by the first count, 0 by the second');
  });
});
