import { randomUUID } from 'node:crypto';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { MaintenanceWork } from '../../activities/maintenance-ports.ts';
import { createDeadLetters } from '../../adapters/postgres/dead-letters.ts';
import { createLegalHolds } from '../../adapters/postgres/legal-holds.ts';
import { createMaintenanceWork } from '../../adapters/postgres/maintenance.ts';
import { createPartitionCatalog } from '../../adapters/postgres/partition-catalog.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { createRetentionRules } from '../../adapters/postgres/retention.ts';
import { createStore } from '../../adapters/postgres/store.ts';
import { trailDigest } from '../../domain/audit-trail.ts';
import { INSTALLATION, withinScope } from '../../platform/scope.ts';
import { batchOf, contact, lead, opportunity } from '../helpers/batches.ts';
import { claimPartitions, openTestLane } from '../helpers/lane-store.ts';
import { createGuardedDatabase, openPool } from './isolation-harness.ts';
import { DAY_MS, daysAgo, leadsOf } from './maintenance-harness.ts';

/** The worker and the API as logins that are no more than their roles, neither superuser nor owner of anything. */
async function openWorkloads() {
  const { owner, login } = await createGuardedDatabase();
  const worker = await login('crm_ingest', 'crm_maintain');
  const api = await login('crm_api');
  const limited = await owner.any(sql.type(z.object({ superuser: z.boolean(), owns: z.number() }))`
    SELECT r.rolsuper OR r.rolbypassrls AS superuser, (SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid) AS owns
    FROM pg_roles r WHERE r.rolname = ANY (${sql.array([worker.name, api.name], 'text')})
  `);
  expect(limited).toEqual([
    { superuser: false, owns: 0 },
    { superuser: false, owns: 0 },
  ]);
  const pool = await openPool(worker.url, { poolSize: 4 });
  const store = createStore(pool, {
    partitionInterval: 'day',
    openLanePool: () =>
      createDatabasePool({ url: worker.url, ca: null, poolSize: 1, applicationName: 'crm-isolation-lane' }),
  });
  const work = createMaintenanceWork(pool, { interval: 'day', ahead: 1 });
  const step = (name: Exclude<keyof MaintenanceWork, 'measure' | 'ledgerTopics' | 'keepAuditLog'>) =>
    work[name]({
      dryRun: false,
      maintenanceWindow: true,
      signal: new AbortController().signal,
      progress: () => {},
      keepDays: 30,
      runId: randomUUID(),
    });
  const count = (table: string) =>
    owner.oneFirst(sql.type(z.object({ rows: z.number() }))`
      SELECT count(*) AS rows FROM ${sql.identifier(table.split('.'))}
    `);
  return { owner, store, work, step, count, api: await openPool(api.url, { scoped: true }) };
}

it('the worker writes batches, makes the partitions that they need, and settles what failed', async () => {
  const { store, count, api } = await openWorkloads();
  const runId = randomUUID();
  await store.runs.start({ runId, kind: 'live', scope: 'group' });
  const lane = await openTestLane(store);
  const [range] = await claimPartitions(lane, runId, 'crm.events');
  if (range === undefined) throw new Error('nothing was claimed');
  const { slices } = await lane.writer.write(
    batchOf(range, [lead('a'), contact('b'), opportunity('c'), 'bad', 'tombstone', lead('a')], runId),
  );
  expect(slices).toMatchObject([{ stored: 3, skipped: 1, dead: 1, tombstones: 1 }]);
  expect(await count('analytics.crm_leads_staging_default')).toBe(0);

  await withinScope(INSTALLATION, async () => {
    const letters = createDeadLetters(api);
    const [letter] = await letters.list({}, { before: null, limit: 1 });
    expect(await letters.discard(letter?.failedId ?? 0, 'not readable', 'ann')).toBe('done');
  });
  // A second lane takes the range over, and ends the connection of the first.
  const successor = await openTestLane(store);
  const [taken] = await claimPartitions(successor, runId, 'crm.events');
  expect(taken).toMatchObject({ nextOffset: 6, epoch: range.epoch + 1 });
});

it('the worker drains, retires and deletes by rules that were set through the API, and keeps what is on hold', async () => {
  const { owner, step, work, count, api } = await openWorkloads();
  const [old, older] = [daysAgo(100), daysAgo(101)];
  for (const [at, organization] of [
    [old, 'org-1'],
    [older, 'org-1'],
    [older, 'held'],
    [daysAgo(20), 'short'],
  ] as const) {
    await owner.query(sql.unsafe`
      INSERT INTO analytics.crm_leads_staging (id, event_id, lead_id, organization_id, event_timestamp, event_type, ingestion_id)
      SELECT md5(n::text || ${organization})::uuid, ${randomUUID()} || n, 'l', ${organization}, ${at.toISOString()}::timestamptz,
        'lead.created', md5('run')::uuid
      FROM generate_series(1, 5) n
    `);
  }
  await withinScope(INSTALLATION, async () => {
    const rule = { table: 'crm_leads_staging', late: 'drop', afterwards: 'drop', changedBy: 'ann' } as const;
    await createRetentionRules(api).put({ ...rule, organizationId: null, keepDays: 30 });
    await createRetentionRules(api).put({ ...rule, organizationId: 'short', keepDays: 10 });
    await createLegalHolds(api).place({ organizationId: 'held', reason: 'case', placedBy: 'ann' });
  });

  expect((await step('makeAhead')).counts.made).toBeGreaterThan(0);
  expect((await step('drain')).counts).toMatchObject({ found: 20, drained: 20 });
  expect((await work.measure()).map(({ defaultRows }) => defaultRows)).toEqual([0, 0, 0, 0]);
  expect((await step('retire')).counts).toMatchObject({ detached: 2, dropped: 1, held: 1, droppedRows: 10 });
  expect(await count(`analytics_archive.${leadsOf(older)}_r${await archived(owner)}`)).toBe(5);
  expect((await step('deleteExpired')).counts).toMatchObject({ rows: 5 });
  expect((await step('pruneLedger')).counts).toEqual({});
  expect((await step('forgetUnreadable')).counts).toEqual({});
  await keepAuditLog(work);
  expect(await count('analytics.crm_leads_staging')).toBe(0);
});

it('the API makes partitions and archives one by hand', async () => {
  const { api, count } = await openWorkloads();
  await withinScope(INSTALLATION, async () => {
    const catalog = createPartitionCatalog(api, 'day');
    const from = Date.UTC(2026, 10, 20);
    expect(await catalog.create('crm_leads_staging', { from, to: from + DAY_MS })).toBe(2);
    const detached = await catalog.detach('crm_leads_staging', 'crm_leads_staging_p20261120');
    expect(detached).toEqual({ archivedAs: expect.stringMatching(/^crm_leads_staging_p20261120_r\d+$/u) });
    expect((await catalog.list()).filter(({ state }) => state === 'archived')).toHaveLength(1);
  });
  expect(await count('analytics.crm_retired')).toBe(1);
});

async function keepAuditLog(work: MaintenanceWork): Promise<void> {
  await work.keepAuditLog({
    dryRun: false,
    maintenanceWindow: false,
    signal: new AbortController().signal,
    progress: () => {},
    keepDays: 400,
    digest: trailDigest(null),
  });
}

function archived(owner: Awaited<ReturnType<typeof openWorkloads>>['owner']): Promise<number> {
  return owner.oneFirst(sql.type(z.object({ id: z.number() }))`
    SELECT retired_id AS id FROM analytics.crm_retired WHERE how = 'detached'
  `);
}
