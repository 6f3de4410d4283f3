import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DatabasePool, sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { WriteError } from '../../activities/ports.ts';
import { batchOf, lead } from '../helpers/batches.ts';
import { claimPartitions, openTestLane } from '../helpers/lane-store.ts';
import { eventually } from '../workflows/eventually.ts';
import { daysAgo, elsewhere, leadsOf, openMaintenance } from './maintenance-harness.ts';

const [OLD, OLDER] = [daysAgo(40), daysAgo(41)];

/** Every lead as a reader of the table sees it: none hidden, none twice. */
function readers(pool: DatabasePool) {
  return pool.one(sql.type(z.object({ rows: z.number(), ids: z.number() }))`
    SELECT count(*) AS rows, count(DISTINCT event_id) AS ids FROM analytics.crm_leads_staging
  `);
}

/** Somebody reads the DEFAULT partition, for as long as `meanwhile` takes. */
function whileRead(url: string, meanwhile: () => Promise<void>): Promise<void> {
  return elsewhere(url, async (reader) => {
    await reader.query('BEGIN; SELECT count(*) FROM analytics.crm_leads_staging');
    await meanwhile();
  });
}

/** The backend that asks for the locks of a drain. */
async function draining(pool: DatabasePool): Promise<number> {
  const pids: number[] = [];
  await eventually(async () => {
    pids.push(
      await pool.oneFirst(sql.type(z.object({ pid: z.number() }))`
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%crm_attach_drained%' AND state = 'active'
          AND pid <> pg_backend_pid()
      `),
    );
  });
  return pids[0]!;
}

it('moves the rows of each day into a partition of its own and makes an incident of it', async () => {
  const { step, pool, insertLeads, whereLeadsAre } = await openMaintenance();
  await insertLeads(OLD, 30);
  await insertLeads(OLDER, 20);

  const report = await step('drain');

  expect(report.counts).toEqual({ found: 50, drained: 50 });
  expect(await whereLeadsAre()).toEqual({ [leadsOf(OLD)]: 30, [leadsOf(OLDER)]: 20 });
  expect(await pool.one(sql.unsafe`SELECT kind, details FROM analytics.crm_incidents`)).toEqual({
    kind: 'default_rows',
    details: { table: 'crm_leads_staging', rows: 50 },
  });
  expect((await step('drain')).counts).toEqual({ found: 0 });
});

it('gives what is drained of the log the key that the writer knows it by', async () => {
  const { step, pool, runId } = await openMaintenance();
  await pool.query(sql.unsafe`
    INSERT INTO analytics.crm_events_log (id, topic, partition, "offset", event_timestamp, processing_status, ingestion_id)
    SELECT gen_random_uuid(), 'crm.leads', 0, n, ${OLD.toISOString()}, 'processed', ${runId} FROM generate_series(1, 3) n
  `);
  expect((await step('drain')).counts).toEqual({ found: 3, drained: 3 });
  const keys = sql.type(z.object({ key: z.string() }))`
    SELECT conname::text AS key FROM pg_constraint
    WHERE contype = 'p' AND conrelid = (SELECT DISTINCT tableoid FROM analytics.crm_events_log)
  `;
  expect(await pool.oneFirst(keys)).toBe(`crm_events_log_p${OLD.toISOString().slice(0, 10).replaceAll('-', '')}_pkey`);
});

it('a lane goes on writing for a day that the DEFAULT partition holds rows of, before and after', async () => {
  const { step, store, runId, insertLeads, whereLeadsAre } = await openMaintenance();
  await insertLeads(OLD, 5);
  const lane = await openTestLane(store);
  const [range] = await claimPartitions(lane, runId, 'crm.leads');
  const write = (id: string, from: number) =>
    lane.writer.write(batchOf({ ...range!, nextOffset: from }, [lead(id, { eventTimestamp: OLD.getTime() })], runId));

  expect((await write('a', 0)).slices).toMatchObject([{ stored: 1, dead: 0 }]);
  await step('drain');
  expect((await write('b', 1)).slices).toMatchObject([{ stored: 1, dead: 0 }]);

  expect(await whereLeadsAre()).toEqual({ [leadsOf(OLD)]: 7 });
});

it('takes what changed while it waited for a reader, and keeps no writer waiting for that reader', async () => {
  const { step, pool, url, insertLeads, whereLeadsAre } = await openMaintenance();
  await insertLeads(OLD, 100);
  let drained: ReturnType<typeof step> | undefined;
  await whileRead(url, async () => {
    drained = step('drain');
    await draining(pool);
    // Behind a drain that waited for as long as the reader reads, these would give up.
    await elsewhere(url, async (writer) => {
      await writer.query("SET lock_timeout = '1s'");
      await writer.query("DELETE FROM analytics.crm_leads_staging WHERE lead_id = 'lead-1'");
      await writer.query(
        "UPDATE analytics.crm_leads_staging SET first_name = 'Grace', metadata = NULL WHERE lead_id = 'lead-2'",
      );
    });
    await insertLeads(OLD, 10, 'org-2');
  });

  expect((await drained)?.counts).toMatchObject({ drained: 109 });
  expect(await whereLeadsAre()).toEqual({ [leadsOf(OLD)]: 109 });
  expect(
    await pool.one(sql.unsafe`
      SELECT first_name, metadata FROM analytics.crm_leads_staging WHERE lead_id = 'lead-2' AND organization_id = 'org-1'
    `),
  ).toEqual({ first_name: 'Grace', metadata: null });
});

it('whose connection dies at the last step leaves every row visible once, and the next one is exact', async () => {
  const { step, pool, url, insertLeads, whereLeadsAre, count } = await openMaintenance();
  await insertLeads(OLD, 100);
  await whileRead(url, async () => {
    const died = expect(step('drain')).rejects.toThrow(WriteError);
    const pid = await draining(pool);
    await pool.query(sql.unsafe`SELECT pg_terminate_backend(${pid})`);
    await died;
  });
  expect(await count('analytics.crm_leads_staging_draining')).toBe(100);
  expect(await readers(pool)).toEqual({ rows: 100, ids: 100 });
  await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE lead_id = 'lead-1'`);

  expect((await step('drain')).counts).toMatchObject({ drained: 99 });
  expect(await whereLeadsAre()).toEqual({ [leadsOf(OLD)]: 99 });
});

it('killed again and again at any moment ends with every row once, in its partition', async () => {
  const { step, pool, url, insertLeads, whereLeadsAre } = await openMaintenance();
  await insertLeads(OLD, 4_000);
  await insertLeads(OLDER, 4_000);
  for (const afterMs of [0, 15, 40, 80]) {
    const child = spawn(process.execPath, ['test/integration/maintenance-drain-process.ts', url], { stdio: 'pipe' });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    await sleep(afterMs);
    child.kill('SIGKILL');
    await exited;
    expect(await readers(pool)).toEqual({ rows: 8_000, ids: 8_000 });
  }
  // What the killed one still had running ends with its connection.
  await eventually(async () => {
    await step('drain');
  });
  expect(await whereLeadsAre()).toEqual({ [leadsOf(OLD)]: 4_000, [leadsOf(OLDER)]: 4_000 });
});

it('leaves more rows than it can move within 100 ms alone, unless readers and writers may wait', async () => {
  const { step, insertLeads, whereLeadsAre } = await openMaintenance();
  await insertLeads(OLD, 10_001);

  const refused = await step('drain');
  expect(refused.counts).toEqual({ found: 10_001, refused: 10_001 });
  expect(refused.notes.join()).toContain('run with maintenanceWindow');
  expect(await whereLeadsAre()).toEqual({ crm_leads_staging_default: 10_001 });

  expect((await step('drain', { maintenanceWindow: true })).counts).toMatchObject({ drained: 10_001 });
  expect(await whereLeadsAre()).toEqual({ [leadsOf(OLD)]: 10_001 });
});

it('tells in a dry run what it would run, in order, and runs none of it', async () => {
  const { step, count, insertLeads, whereLeadsAre } = await openMaintenance();
  await insertLeads(OLD, 5);
  const { statements } = await step('drain', { dryRun: true });
  expect(statements.map((statement) => statement.split(' ').slice(0, 2).join(' '))).toEqual([
    'INSERT INTO',
    "SELECT analytics.crm_copy_default('crm_leads_staging',",
    'SELECT analytics.crm_attach_drained(',
  ]);
  expect(statements.at(-1)).toContain(`'crm_leads_staging_draining', '${OLD.toISOString().slice(0, 10)} 00:00:00+00'`);
  expect(await count('analytics.crm_incidents')).toBe(0);
  expect(await whereLeadsAre()).toEqual({ crm_leads_staging_default: 5 });
});

it('works alone on its database', async () => {
  const { step, url } = await openMaintenance();
  await elsewhere(url, async (other) => {
    await other.query("SELECT pg_advisory_lock(hashtext('analytics.crm_maintenance'))");
    await expect(step('drain')).rejects.toThrow('another maintenance is at work');
  });
  expect((await step('makeAhead')).counts).toEqual({ made: 12 });
  expect((await step('makeAhead', { runId: randomUUID() })).counts).toEqual({ made: 0 });
});
