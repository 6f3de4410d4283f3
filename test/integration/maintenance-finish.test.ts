import type pg from 'pg';
import { createPool, sql } from 'slonik';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createLegalHolds } from '../../adapters/postgres/legal-holds.ts';
import { archivePartition } from '../../adapters/postgres/partition-retire.ts';
import { daysAgo, elsewhere, leadsOf, openMaintenance } from './maintenance-harness.ts';

const OLD = daysAgo(40);
const TABLE = { table: 'crm_leads_staging', organizationId: null, late: 'quarantine', changedBy: 'ann' } as const;

/** Ten leads of each organization, in a partition that is past retention and detached. */
async function detached(organizations: string[]) {
  const opened = await openMaintenance();
  for (const organization of organizations) {
    await opened.insertLeads(OLD, 10, organization);
  }
  await opened.step('drain');
  await opened.rules.put({ ...TABLE, keepDays: 30, afterwards: 'drop' });
  await opened.pool.query(
    sql.unsafe`SELECT analytics.crm_retire_partition('crm_leads_staging', ${leadsOf(OLD)}, 'detached')`,
  );
  return { ...opened, archived: `analytics_archive.${leadsOf(OLD)}_r1` };
}

async function waitsFor(client: pg.Client, table: string): Promise<boolean> {
  const { rowCount } = await client.query(
    'SELECT 1 FROM pg_locks WHERE relation = $1::regclass AND mode = $2 AND NOT granted',
    [table, 'AccessExclusiveLock'],
  );
  return rowCount === 1;
}

it('lets a hold be placed while a partition is counted, and keeps its rows', async () => {
  const { step, holds, url, count, archived } = await detached(['org-1', 'held']);
  let finishing: ReturnType<typeof step> | undefined;
  await elsewhere(url, async (reader) => {
    // Readers keep it from being dropped, and not from being counted.
    await reader.query(`BEGIN; SELECT count(*) FROM ${archived}`);
    finishing = step('retire');
    await vi.waitFor(async () => expect(await waitsFor(reader, archived)).toBe(true), { timeout: 10_000 });
    await reader.query("SET LOCAL lock_timeout = '50ms'");
    await reader.query("INSERT INTO analytics.crm_legal_holds VALUES ('held', 'a lawsuit', 'ann'); COMMIT");
  });
  expect((await finishing)?.counts).toEqual({ held: 1, droppedRows: 10 });
  expect(await count(archived)).toBe(10);
  expect(await holds.list()).toMatchObject([{ organizationId: 'held' }]);
});

it('places a hold once the moment is over in which a partition is dropped', async () => {
  const { url } = await openMaintenance();
  const impatient = await createPool(url);
  onTestFinished(() => impatient.end());
  await elsewhere(url, async (other) => {
    await other.query('BEGIN; LOCK TABLE analytics.crm_legal_holds IN SHARE MODE');
    const placing = impatient.connect(async (connection) => {
      await connection.query(sql.unsafe`SET lock_timeout = '50ms'`);
      return createLegalHolds(connection).place({ organizationId: 'held', reason: 'a lawsuit', placedBy: 'ann' });
    });
    await other.query('SELECT pg_sleep(0.5); COMMIT');
    expect(await placing).toMatchObject({ organizationId: 'held' });
  });
});

it('counts a partition that takes longer to read than any statement of the pool may, before it is archived', async () => {
  const { step, insertLeads, url, retired } = await openMaintenance();
  await insertLeads(OLD, 10);
  await step('drain');
  const impatient = await createPool(url, { statementTimeout: 1_000 });
  onTestFinished(() => impatient.end());
  await elsewhere(url, async (other) => {
    await other.query(`BEGIN; LOCK TABLE analytics.${leadsOf(OLD)} IN ACCESS EXCLUSIVE MODE`);
    // The count waits for the lock for longer than that.
    const archiving = archivePartition(impatient, 'crm_leads_staging', leadsOf(OLD));
    await other.query('SELECT pg_sleep(1.5); COMMIT');
    expect(await archiving).toBe(`${leadsOf(OLD)}_r1`);
  });
  expect(await retired()).toMatchObject([{ rows: 10, how: 'archived' }]);
});

it('drops nothing that came while its partition was about to be detached, before it is old itself', async () => {
  const { step, rules, pool, count, archived } = await detached(['org-1']);
  await rules.put({ ...TABLE, keepDays: 30, afterwards: 'drop', late: 'rebuild' });
  expect((await step('retire')).counts).toEqual({ late: 1 });
  expect(await count(archived)).toBe(10);
  await pool.query(
    sql.unsafe`UPDATE ${sql.identifier(archived.split('.'))} SET processed_at = now() - interval '60 days'`,
  );
  expect((await step('retire')).counts).toEqual({ dropped: 1, droppedRows: 10 });
});

it('drops what was on hold by the rule of the day when it is lifted, and by its age', async () => {
  const { step, rules, holds, count, archived } = await detached(['held']);
  await holds.place({ organizationId: 'held', reason: 'a lawsuit', placedBy: 'ann' });
  expect((await step('retire')).counts).toEqual({ held: 1 });
  await rules.put({ ...TABLE, keepDays: 50, afterwards: 'drop' });
  await holds.lift('held');
  expect((await step('retire')).counts).toEqual({});
  expect(await count(archived)).toBe(10);
  await rules.put({ ...TABLE, keepDays: 30, afterwards: 'drop' });
  expect((await step('retire')).counts).toEqual({ dropped: 1, droppedRows: 10 });
});
