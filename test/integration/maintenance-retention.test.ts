import { randomUUID } from 'node:crypto';
import { sql } from 'slonik';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { identitiesWithLedger } from '../../adapters/postgres/weigh-books.ts';
import { batchOf, lead, record, sliceOf } from '../helpers/batches.ts';
import { claimPartitions, openTestLane } from '../helpers/lane-store.ts';
import { daysAgo, elsewhere, leadsOf, openMaintenance } from './maintenance-harness.ts';

const [OLD, RECENT] = [daysAgo(40), daysAgo(5)];
const TABLE = { table: 'crm_leads_staging', organizationId: null, late: 'quarantine', changedBy: 'ann' } as const;

/** Leads of 40 and of 5 days ago, each in the partition of its day. */
async function withLeads(organizations: string[] = ['org-1']) {
  const opened = await openMaintenance();
  for (const organization of organizations) {
    await opened.insertLeads(OLD, 10, organization);
    await opened.insertLeads(RECENT, 10, organization);
  }
  await opened.step('drain');
  return opened;
}

describe('a table’s retention', () => {
  it('drops partitions whose last day is past it, and books the rows', async () => {
    const { step, rules, whereLeadsAre, retired } = await withLeads();
    expect((await step('retire')).counts).toEqual({});
    await rules.put({ ...TABLE, keepDays: 40, afterwards: 'drop' });
    expect((await step('retire')).counts).toEqual({});
    await rules.put({ ...TABLE, keepDays: 39, afterwards: 'drop' });

    expect((await step('retire')).counts).toEqual({ detached: 1, dropped: 1, droppedRows: 10 });

    expect(await whereLeadsAre()).toEqual({ [leadsOf(RECENT)]: 10 });
    expect(await retired()).toEqual([{ partition: leadsOf(OLD), organizationId: null, rows: 10, how: 'dropped' }]);
    expect((await step('retire')).counts).toEqual({});
  });

  it('archives them where it says so, twice for the same day if need be', async () => {
    const { step, rules, count, insertLeads, retired } = await withLeads();
    await rules.put({ ...TABLE, keepDays: 30, afterwards: 'archive' });
    await step('retire');
    await insertLeads(OLD, 3);
    await step('drain');
    await step('retire');

    expect(await retired()).toMatchObject([
      { rows: 10, how: 'archived' },
      { rows: 3, how: 'archived' },
    ]);
    expect(await count(`analytics_archive.${leadsOf(OLD)}_r1`)).toBe(10);
    expect(await count(`analytics_archive.${leadsOf(OLD)}_r2`)).toBe(3);
  });

  it('waits for readers without having writers wait for them', async () => {
    const { step, rules, url, insertLeads, whereLeadsAre } = await withLeads();
    await rules.put({ ...TABLE, keepDays: 30, afterwards: 'drop' });
    let retiring: ReturnType<typeof step> | undefined;
    await elsewhere(url, async (reader) => {
      await reader.query('BEGIN; SELECT count(*) FROM analytics.crm_leads_staging');
      retiring = step('retire');
      await elsewhere(url, async (writer) => {
        // Behind one that waited for as long as the reader reads, these would give up.
        await writer.query("SET lock_timeout = '1s'");
        for (let writes = 0; writes < 20; writes += 1) {
          await writer.query('UPDATE analytics.crm_leads_staging SET first_name = $1', [`${writes}`]);
        }
      });
    });
    await insertLeads(RECENT, 1);
    expect((await retiring)?.counts).toEqual({ detached: 1, dropped: 1, droppedRows: 10 });
    expect(await whereLeadsAre()).toEqual({ [leadsOf(RECENT)]: 11 });
  });

  it('finishes what one that died had begun, and drops nothing whose rule is gone', async () => {
    const { step, pool, rules, retired } = await withLeads();
    for (const day of [OLD, RECENT]) {
      await pool.query(
        sql.unsafe`SELECT analytics.crm_retire_partition('crm_leads_staging', ${leadsOf(day)}, 'detached')`,
      );
      if (day === OLD) {
        await rules.put({ ...TABLE, keepDays: 30, afterwards: 'drop' });
        expect((await step('retire')).counts).toEqual({ dropped: 1, droppedRows: 10 });
        await rules.remove('crm_leads_staging', null);
      }
    }
    expect((await step('retire')).counts).toEqual({ archived: 1, archivedRows: 10 });
    expect(await retired()).toMatchObject([{ how: 'dropped' }, { how: 'archived', rows: 10 }]);
  });

  it('keeps exactly the rows of a legal hold, until it is lifted', async () => {
    const { step, rules, holds, count, retired } = await withLeads(['org-1', 'held']);
    await holds.place({ organizationId: 'held', reason: 'a lawsuit', placedBy: 'ann' });
    await rules.put({ ...TABLE, keepDays: 30, afterwards: 'drop' });

    for (const counts of [{ detached: 1, held: 1, droppedRows: 10 }, { held: 1 }]) {
      expect((await step('retire')).counts).toEqual(counts);
      expect(await retired()).toMatchObject([{ rows: 20, how: 'detached' }]);
      expect(await count(`analytics_archive.${leadsOf(OLD)}_r1`)).toBe(10);
    }

    await holds.lift('held');
    expect((await step('retire')).counts).toEqual({ dropped: 1, droppedRows: 10 });
    expect(await retired()).toMatchObject([{ rows: 20, how: 'dropped' }]);
  });

  it('neither leads late events into the DEFAULT partition afterwards, nor takes them away at once', async () => {
    const { step, rules, store, runId, pool, whereLeadsAre } = await openMaintenance();
    const lane = await openTestLane(store);
    const [range] = await claimPartitions(lane, runId, 'crm.leads');
    const write = (id: string, from: number) =>
      lane.writer.write(batchOf({ ...range!, nextOffset: from }, [lead(id, { eventTimestamp: OLD.getTime() })], runId));
    const cameLongAgo = () =>
      pool.query(sql.unsafe`UPDATE analytics.crm_leads_staging SET processed_at = now() - interval '60 days'`);
    await write('a', 0);
    await cameLongAgo();
    await rules.put({ ...TABLE, keepDays: 30, afterwards: 'drop', late: 'rebuild' });
    await step('retire');
    expect(await whereLeadsAre()).toEqual({});

    // The writer asks every few seconds what was retired.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
    try {
      await write('b', 1);
    } finally {
      vi.useRealTimers();
    }
    await step('retire');
    expect(await whereLeadsAre()).toEqual({ [leadsOf(OLD)]: 1 });
    await cameLongAgo();
    await step('retire');
    expect(await whereLeadsAre()).toEqual({});
  });

  it('of the log takes its undated rows by when they were processed', async () => {
    const { step, pool, rules, runId, count } = await openMaintenance();
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_events_log (
        id, topic, partition, "offset", event_timestamp, processed_at, processing_status, ingestion_id
      )
      SELECT ${randomUUID()}, 't', 0, n, 'epoch', now() - n * interval '10 days', 'dead', ${runId}
      FROM generate_series(1, 5) n
    `);
    await rules.put({ ...TABLE, table: 'crm_events_log', keepDays: 25, afterwards: 'drop' });
    await step('retire');
    expect((await step('deleteExpired')).counts).toEqual({ rows: 3 });
    expect(await count('analytics.crm_events_log')).toBe(2);
  });
});

describe('an organization’s retention', () => {
  it('deletes its rows in time, wherever they are, and books them once', async () => {
    const { step, rules, insertLeads, whereLeadsAre, retired } = await withLeads(['org-1', 'short']);
    await insertLeads(daysAgo(20), 7, 'short');
    await rules.put({ ...TABLE, organizationId: 'short', keepDays: 10, afterwards: 'drop' });

    expect((await step('deleteExpired')).counts).toEqual({ rows: 17 });
    expect(await whereLeadsAre()).toEqual({ [leadsOf(OLD)]: 10, [leadsOf(RECENT)]: 20 });
    await insertLeads(OLD, 1, 'short');
    expect((await step('deleteExpired')).counts).toEqual({ rows: 1 });
    expect(await retired()).toEqual([
      { partition: leadsOf(OLD), organizationId: 'short', rows: 11, how: 'deleted' },
      { partition: 'crm_leads_staging_default', organizationId: 'short', rows: 7, how: 'deleted' },
    ]);
  });

  it('walks through a partition once, piece by piece', async () => {
    const { step, rules, insertLeads, count } = await openMaintenance();
    await insertLeads(OLD, 10_000, 'short');
    await rules.put({ ...TABLE, organizationId: 'short', keepDays: 10, afterwards: 'drop' });
    const { statements } = await step('deleteExpired', { dryRun: true });
    expect(statements[0]).toContain("t.ctid >= '(0,0)'::tid AND t.ctid < '(64,0)'::tid");
    const progressed: number[] = [];
    await step('deleteExpired', { progress: (done) => progressed.push(done) });
    expect(progressed.length).toBeGreaterThan(1);
    expect(await count('analytics.crm_leads_staging')).toBe(0);
  });

  it('gives way to a legal hold, also one that comes in the middle', async () => {
    const { step, rules, holds, insertLeads, count } = await openMaintenance();
    await insertLeads(OLD, 5_000, 'short');
    await rules.put({ ...TABLE, organizationId: 'short', keepDays: 10, afterwards: 'drop' });
    let placed: Promise<unknown> | undefined;
    const { counts } = await step('deleteExpired', {
      progress: () => {
        placed ??= holds.place({ organizationId: 'short', reason: 'a lawsuit', placedBy: 'ann' });
      },
    });
    await placed;
    const left = await count('analytics.crm_leads_staging');
    expect(left).toBeGreaterThan(0);
    expect(counts).toEqual({ rows: 5_000 - left });
    expect((await step('deleteExpired')).counts).toEqual({});
  });
});

describe('what an overwrite kept', () => {
  it('goes when the row would, by its table and its organization, unless it is on hold', async () => {
    const { pool, rules, holds, step } = await openMaintenance();
    const keep = (organizationId: string | null, keepDays: number) =>
      rules.put({ ...TABLE, organizationId, keepDays, afterwards: 'drop' });
    await keep(null, 30);
    await keep('org-2', 5);
    await holds.place({ organizationId: 'org-3', reason: 'a case', placedBy: 'ann' });
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_overwritten_rows (entity, event_id, organization_id, row, replaced_by)
      SELECT entity, 'e', organization, jsonb_build_object('event_timestamp', now() - days * interval '1 day'),
        ${randomUUID()}::uuid
      FROM (
        VALUES (1, 'org-1', 40), (1, 'org-1', 20), (1, 'org-2', 20), (1, 'org-3', 40), (2, 'org-1', 40)
      ) AS v(entity, organization, days)
    `);
    await step('deleteExpired');
    expect(
      await pool.anyFirst(
        sql.unsafe`SELECT entity || ' ' || organization_id FROM analytics.crm_overwritten_rows ORDER BY 1`,
      ),
    ).toEqual(['1 org-1', '1 org-3', '2 org-1']);
  });
});

describe('pruning', () => {
  it('has the ledger forget old ids, but none that were erased, and the books know of it', async () => {
    const { step, pool, store, runId, count } = await openMaintenance();
    const lane = await openTestLane(store);
    const [range] = await claimPartitions(lane, runId, 'crm.leads');
    await lane.writer.write(
      batchOf(
        range!,
        ['a', 'b', 'c', 'd'].map((id) => lead(id)),
        runId,
      ),
    );
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_event_ledger SET first_seen = now() - interval '40 days' WHERE event_id <> 'd'
    `);
    await pool.query(
      sql.unsafe`UPDATE analytics.crm_event_ledger SET erased_by = ${randomUUID()} WHERE event_id = 'c'`,
    );
    const stored = async () => (await identitiesWithLedger(pool)).find(({ name }) => name === 'stored');

    expect((await step('pruneLedger', { keepDays: 39 })).counts).toEqual({ ids: 2 });

    expect(await count('analytics.crm_event_ledger')).toBe(2);
    expect(await stored()).toMatchObject({ booked: 4, counted: 4 });
    expect((await step('pruneLedger', { keepDays: 39 })).counts).toEqual({});
  });

  it('empties and gives up old failed events that nothing could be told of, and no others', async () => {
    const { step, pool, store, runId } = await openMaintenance();
    const lane = await openTestLane(store);
    const [range] = await claimPartitions(lane, runId, 'crm.leads');
    const batch = batchOf(range!, ['bad', 'bad', 'bad'], runId);
    batch.slices = [sliceOf(range!, 3)];
    batch.deliveries[1] = {
      slice: 0,
      record: record(1),
      kind: 'rejected',
      rejection: { code: 'too_long', detail: 'data.email: 300 characters, at most 255' },
      schemaId: 1,
      event: { eventId: 'e', organizationId: 'org-1' },
    };
    await lane.writer.write(batch);
    await pool.query(
      sql.unsafe`UPDATE analytics.crm_failed_events SET created_at = now() - interval '40 days' WHERE "offset" < 2`,
    );

    expect((await step('forgetUnreadable', { keepDays: 30 })).counts).toEqual({ events: 1 });

    const left = await pool.any(sql.type(z.object({ status: z.string(), kept: z.boolean() }))`
      SELECT status, value IS NOT NULL AS kept FROM analytics.crm_failed_events ORDER BY "offset"
    `);
    expect(left).toEqual([
      { status: 'discarded', kept: false },
      { status: 'dead', kept: true },
      { status: 'dead', kept: true },
    ]);
    const identities = await identitiesWithLedger(pool);
    expect(identities.filter(({ booked, counted }) => booked !== counted)).toEqual([]);
    expect((await step('forgetUnreadable', { keepDays: 30 })).counts).toEqual({});
  });
});
