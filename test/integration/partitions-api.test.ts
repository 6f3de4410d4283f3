import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import type {
  LegalHold,
  ListedPartition,
  MaintenanceRun,
  RetentionRule,
  StepReport,
} from '../../activities/maintenance-ports.ts';
import { createMaintenanceRuns } from '../../adapters/postgres/maintenance-runs.ts';
import { createPartitionCatalog } from '../../adapters/postgres/partition-catalog.ts';
import { ControlRefusedError } from '../../workflows/control-port.ts';
import { createTestApp, PREFIX } from '../unit/api/app-under-test.ts';
import { daysAgo, leadsOf, openMaintenance } from './maintenance-harness.ts';

/** What any of the routes answers with. */
interface Answer extends MaintenanceRun {
  partitions: ListedPartition[];
  runs: MaintenanceRun[];
  rules: RetentionRule[];
  holds: LegalHold[];
}

/** The API over a database of its own; runs are started by nobody. */
async function openApi(start: () => Promise<void> = async () => {}) {
  const opened = await openMaintenance();
  const { request } = createTestApp({
    partitions: createPartitionCatalog(opened.pool, 'day'),
    maintenance: createMaintenanceRuns(opened.pool),
    maintenanceControl: { start },
    retention: opened.rules,
    legalHolds: opened.holds,
  });
  const ask = async (method: string, path: string, json?: unknown) => {
    const response = await request(method, `${PREFIX}${path}`, { json, headers: { 'x-operator': 'ann' } });
    return { status: response.status, body: (await response.json()) as Answer };
  };
  return { ...opened, ask, runs: createMaintenanceRuns(opened.pool) };
}

const OLD = daysAgo(40);
const OLD_DAY = OLD.toISOString().slice(0, 10);

describe('partitions', () => {
  it('are made for the days that lack one, listed, and archived by hand', async () => {
    const { ask, insertLeads, count, retired } = await openApi();
    const days = { table: 'crm_leads_staging', from: OLD_DAY, to: daysAgo(38).toISOString().slice(0, 10) };
    expect((await ask('POST', '/partitions', days)).body).toEqual({ made: 3 });
    expect((await ask('POST', '/partitions', { ...days, to: undefined })).body).toEqual({ made: 0 });
    await insertLeads(OLD, 4);

    const partition = leadsOf(OLD);
    const detach = { table: 'crm_leads_staging', partition };
    expect((await ask('POST', '/partitions/detach', detach)).body).toEqual({ archivedAs: `${partition}_r1` });
    expect((await ask('POST', '/partitions/detach', detach)).status).toBe(404);
    expect(
      (await ask('POST', '/partitions/detach', { ...detach, partition: 'crm_leads_staging_default' })).status,
    ).toBe(404);

    expect(await count(`analytics_archive.${partition}_r1`)).toBe(4);
    expect(await retired()).toEqual([{ partition, organizationId: null, rows: 4, how: 'archived' }]);
    const { partitions } = (await ask('GET', '/partitions')).body;
    expect(partitions).toContainEqual({
      table: 'crm_leads_staging',
      partition: `${partition}_r1`,
      state: 'archived',
      from: `${OLD_DAY}T00:00:00Z`,
      to: `${daysAgo(39).toISOString().slice(0, 10)}T00:00:00Z`,
      rowsEstimate: null,
      bytes: expect.any(Number),
    });
    expect(partitions).toContainEqual(
      expect.objectContaining({ partition: 'crm_events_log_default', state: 'default', from: null, to: null }),
    );
    expect(partitions).toContainEqual(
      expect.objectContaining({ partition: 'crm_events_log_undated', state: 'attached', from: null }),
    );
  });

  it.each([
    { table: 'crm_leads_staging', from: '2026-11-02', to: '2026-11-01' },
    { table: 'crm_leads_staging', from: '2020-01-01', to: '2026-11-01' },
    { table: 'crm_leads_staging', from: '1999-12-31' },
    { table: 'crm_failed_events', from: '2026-11-02' },
  ])('are not made for %j', async (request) => {
    const { status } = await createTestApp().request('POST', `${PREFIX}/partitions`, { json: request });
    expect(status).toBe(400);
  });
});

describe('maintenance', () => {
  const REPORT: StepReport = { counts: { found: 0 }, statements: ['SELECT 1'], notes: ['look'] };

  it('is asked for by name, and its report tells statements only when it is asked for alone', async () => {
    const { ask, runs } = await openApi();
    const { status, body } = await ask('POST', '/partitions/maintain', { dryRun: true });
    expect(status).toBe(202);
    const { maintenanceId } = body;
    expect(await runs.begin({ maintenanceId, dryRun: true, maintenanceWindow: false })).toBe(true);
    await runs.record(maintenanceId, 'drain', REPORT);
    await runs.conclude(maintenanceId, 'finished', []);

    const run: MaintenanceRun = (await ask('GET', `/partitions/maintenance/${maintenanceId}`)).body;
    expect(run).toMatchObject({ requestedBy: 'ann', status: 'finished', dryRun: true, steps: { drain: REPORT } });
    const listed = (await ask('GET', '/partitions/maintenance')).body.runs;
    expect(listed).toMatchObject([{ maintenanceId, steps: { drain: { ...REPORT, statements: [] } } }]);
    const unknown = '0190d5f0-0000-7000-8000-000000000001';
    expect((await ask('GET', `/partitions/maintenance/${unknown}`)).status).toBe(404);
  });

  it('that can not be started is told so, and known', async () => {
    const { ask } = await openApi(async () => {
      throw new ControlRefusedError('A maintenance is under way.');
    });
    expect((await ask('POST', '/partitions/maintain', {})).status).toBe(409);
    expect((await ask('GET', '/partitions/maintenance')).body.runs).toMatchObject([{ status: 'skipped' }]);
  });

  it('is done by one at a time, until that one has ended or died', async () => {
    const { pool, runs } = await openApi();
    const [first, second, third] = ['1', '2', '3'].map((n) => ({
      maintenanceId: `0190d5f0-0000-7000-8000-00000000000${n}`,
      dryRun: false,
      maintenanceWindow: false,
    }));
    expect(await Promise.all([runs.begin(first!), runs.begin(first!)])).toEqual([true, true]);
    expect(await runs.begin(second!)).toBe(false);
    expect(await runs.find(second!.maintenanceId)).toMatchObject({ status: 'skipped', requestedBy: 'schedule' });

    await pool.query(sql.unsafe`UPDATE analytics.crm_maintenance SET touched_at = now() - interval '1 hour'`);
    expect(await runs.begin(third!)).toBe(true);
    expect(await runs.find(first!.maintenanceId)).toMatchObject({ status: 'failed', reasons: ['it died on the way'] });
  });
});

describe('rules', () => {
  it('of retention are put, changed, listed and removed, each signed by who did it', async () => {
    const { ask } = await openApi();
    const rule = { table: 'crm_leads_staging', keepDays: 400, afterwards: 'archive', late: 'drop' };
    expect((await ask('PUT', '/retention', rule)).body).toMatchObject({
      ...rule,
      organizationId: null,
      changedBy: 'ann',
    });
    await ask('PUT', '/retention', { ...rule, keepDays: null });
    await ask('PUT', '/retention', { table: 'crm_leads_staging', organizationId: 'org-1', keepDays: 30 });
    expect((await ask('GET', '/retention')).body.rules).toMatchObject([
      { ...rule, keepDays: null },
      { organizationId: 'org-1', keepDays: 30, afterwards: 'drop', late: 'quarantine' },
    ]);
    for (const path of ['/retention/crm_leads_staging', '/retention/crm_leads_staging/org-1']) {
      expect((await ask('DELETE', path)).status).toBe(200);
      expect((await ask('DELETE', path)).status).toBe(404);
    }
  });

  it.each([
    { keepDays: 0 },
    { keepDays: 30, organizationId: 'org-1', afterwards: 'archive' },
    { keepDays: null, organizationId: 'org-1' },
  ])('of retention are refused that can not be kept: %j', async (rule) => {
    const json = { table: 'crm_leads_staging', ...rule };
    expect((await createTestApp().request('PUT', `${PREFIX}/retention`, { json })).status).toBe(400);
  });

  it('hold an organization until they are lifted', async () => {
    const { ask } = await openApi();
    expect((await ask('GET', '/legal-holds/org-1')).status).toBe(404);
    await ask('PUT', '/legal-holds/org-1', { reason: 'a lawsuit' });
    expect((await ask('GET', '/legal-holds/org-1')).body).toMatchObject({ reason: 'a lawsuit', placedBy: 'ann' });
    expect((await ask('GET', '/legal-holds')).body.holds).toHaveLength(1);
    expect((await ask('DELETE', '/legal-holds/org-1')).status).toBe(200);
    expect((await ask('DELETE', '/legal-holds/org-1')).status).toBe(404);
  });
});
