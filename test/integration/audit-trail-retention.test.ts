import { sql } from 'slonik';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { insertAfter, readHead } from '../../adapters/postgres/audit-trail-rows.ts';
import { createMaintenanceWork } from '../../adapters/postgres/maintenance.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { chainAfter, type TrailDigest, trailDigest } from '../../domain/audit-trail.ts';
import { as } from '../helpers/logins.ts';
import { anEntry, KEY, openLog, writerOver } from './audit-trail-harness.ts';

const MONTHS = ['2020-01', '2020-02', '2020-03'];

/** A log of three entries in each of three months that are long over, and of two now. */
async function openOldLog() {
  const log = await openLog(0, KEY);
  const digest = trailDigest(KEY);
  await log.pool.query(sql.unsafe`UPDATE analytics.crm_audit_log_head SET at = '2020-01-01'`);
  for (const month of MONTHS) {
    const next = `2020-0${Number(month.slice(-1)) + 1}`;
    await log.admin.query(`CREATE TABLE analytics.crm_audit_log_p${month.replace('-', '')}
      PARTITION OF analytics.crm_audit_log FOR VALUES FROM ('${month}-01 00:00Z') TO ('${next}-01 00:00Z')`);
    const entries = [anEntry(), anEntry(), anEntry()];
    const head = await readHead(log.pool, { lock: false });
    await insertAfter(log.pool, head, chainAfter(head, entries, `${month}-15T12:00:00.000Z`, digest));
  }
  await log.trail.append(anEntry());
  await log.trail.append(anEntry());
  // As a worker logs in: it owns nothing.
  const url = as('crm_test_worker', log.url);
  const worker = await createDatabasePool({ url, ca: null, poolSize: 2, applicationName: 'crm-test-worker' });
  onTestFinished(() => worker.end());
  const work = createMaintenanceWork(worker, { interval: 'day', ahead: 0 });
  const months = async () => [
    ...(await log.pool.anyFirst(sql.type(z.object({ partition: z.string() }))`
      SELECT partition FROM analytics.crm_audit_log_months ORDER BY begins
    `)),
  ];
  return {
    ...log,
    months,
    old: async () => (await months()).filter((name) => name.startsWith('crm_audit_log_p2020')),
    keep: (keepDays: number, over: { dryRun?: boolean; signal?: AbortSignal; digest?: TrailDigest } = {}) =>
      work.keepAuditLog({
        dryRun: false,
        maintenanceWindow: false,
        signal: new AbortController().signal,
        progress: () => {},
        keepDays,
        digest,
        ...over,
      }),
  };
}

const daysSince = (day: string) => Math.floor((Date.now() - Date.parse(day)) / 86_400_000);

it('whole months leave at the old end, and the chain that is left verifies from the entry that says so', async () => {
  const log = await openOldLog();
  expect((await log.verify()).broken).toBeNull();
  expect((await log.keep(36_500)).counts).toEqual({});
  // All of January and February is over, and March by its first days.
  const report = await log.keep(daysSince('2020-03-20'));
  expect(report).toMatchObject({ counts: { dropped: 2, entries: 6 }, notes: [] });
  expect(await log.old()).toEqual(['crm_audit_log_p202003']);
  expect(await log.verify()).toEqual({
    broken: null,
    notes: [expect.stringContaining('entries 7 to 13'), 'those before 7 left by retention'],
  });
  await log.trail.append(anEntry());
  await log.keep(daysSince('2020-05-20'));
  expect(await log.old()).toEqual([]);
  expect(await log.verify()).toMatchObject({ broken: null });
  const told = await log.pool.anyFirst(sql.type(z.object({ subject: z.object({ through: z.number() }) }))`
    SELECT subject FROM analytics.crm_audit_log WHERE kind = 'retention' ORDER BY sequence
  `);
  expect(told.map(({ through }) => through)).toEqual([3, 6, 9]);
});

it('more that is removed at the old end is found, also with an entry that claims retention took it', async () => {
  const log = await openOldLog();
  await log.keep(daysSince('2020-02-20'));
  expect((await log.verify()).broken).toBeNull();
  await log.admin.query('DROP TABLE analytics.crm_audit_log_p202002');
  expect((await log.verify()).broken).toBe(
    'the entries before 7 are missing, and no entry says that retention took them',
  );
  const eve = await createDatabasePool({ url: log.url, ca: null, poolSize: 1, applicationName: 'crm-eve' });
  const claim = { through: 6, hash: 'ab'.repeat(32) };
  await writerOver(eve, 'another key').trail.append(anEntry({ kind: 'retention', subject: claim }));
  await eve.end();
  expect((await log.verify()).broken).toContain('which is not given');
});

it('an entry of retention that tells another hash than the first entry follows is found', async () => {
  const log = await openOldLog();
  await log.admin.query('DROP TABLE analytics.crm_audit_log_p202001');
  await log.trail.append(anEntry({ kind: 'retention', subject: { through: 3, hash: 'ab'.repeat(32) } }));
  expect((await log.verify()).broken).toContain('entry 4 is not as it was written');
});

it('a dry run tells what would be dropped and drops nothing; months ahead are made', async () => {
  const log = await openOldLog();
  const report = await log.keep(daysSince('2020-03-20'), { dryRun: true });
  expect(report.counts).toEqual({ dropped: 2 });
  expect(report.statements.slice(-2)).toEqual([
    "SELECT analytics.crm_audit_log_drop('crm_audit_log_p202001')",
    "SELECT analytics.crm_audit_log_drop('crm_audit_log_p202002')",
  ]);
  expect(await log.old()).toHaveLength(3);
  const before = (await log.months()).length;
  await log.keep(36_500);
  // The migration has made this month and the next one.
  expect(await log.months()).toHaveLength(before + 1);
});

it('drops nothing without the key that the log has', async () => {
  const log = await openOldLog();
  const report = await log.keep(daysSince('2020-03-20'), { digest: trailDigest(null) });
  expect(report).toMatchObject({ counts: { refused: 1 }, notes: [expect.stringContaining('AUDIT_CHAIN_KEY_FILE')] });
  expect(await log.old()).toHaveLength(3);
  expect((await log.verify()).broken).toBeNull();
});

it('waits while somebody reads all of it, and goes on next time', async () => {
  const log = await openOldLog();
  await log.admin.query('BEGIN');
  await log.admin.query('SELECT 1 FROM analytics.crm_audit_log LIMIT 1');
  const tried = AbortSignal.timeout(1_500);
  const report = await log.keep(daysSince('2020-02-20'), { signal: tried });
  expect(report).toMatchObject({ counts: {}, notes: [expect.stringContaining('p202001 stays for now')] });
  await log.admin.query('COMMIT');
  expect((await log.keep(daysSince('2020-02-20'))).counts).toEqual({ dropped: 1, entries: 3 });
  expect((await log.verify()).broken).toBeNull();
});

it('the current months, and any but the oldest, are never dropped, whoever asks', async () => {
  const { admin, months } = await openOldLog();
  for (const month of ['crm_audit_log_p202002', (await months()).at(-1), 'crm_events_log', "x'; --"]) {
    await expect(admin.query('SELECT analytics.crm_audit_log_drop($1)', [month])).rejects.toMatchObject({
      code: '42501',
    });
  }
  await expect(admin.query(`SELECT analytics.crm_audit_log_ensure('2031-01-01')`)).rejects.toMatchObject({
    code: '22008',
  });
});
