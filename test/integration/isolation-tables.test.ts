import { type FragmentSqlToken, sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { guarded } from '../../adapters/postgres/errors.ts';
import { migrate } from '../../adapters/postgres/migrate.ts';
import { ensurePartition } from '../../adapters/postgres/partitions.ts';
import { withinScope } from '../../platform/scope.ts';
import { createEmptyDatabase } from '../helpers/database.ts';
import { createGuardedDatabase, insertRowsOf, OF_ORGANIZATIONS, openPool } from './isolation-harness.ts';

const name = z.object({ name: z.string() });

const TABLES = sql.fragment`
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('analytics', 'analytics_archive')
  WHERE c.relkind IN ('r', 'p')
`;

/** Tables whose rows somebody would see whom nothing lets. */
const unsecured = sql.type(name)`
  SELECT c.oid::regclass::text AS name ${TABLES}
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))
`;

const countIn = (table: string) =>
  sql.type(z.object({ rows: z.number() }))`SELECT count(*) AS rows FROM analytics.${sql.identifier([table])}`;

describe('row security', () => {
  it('is forced on every table, and on those that are made as time goes by', async () => {
    const { owner } = await createGuardedDatabase();
    await ensurePartition(owner, 'crm_leads_staging', Date.UTC(2026, 10, 20), 'day');
    await owner.query(
      sql.unsafe`SELECT analytics.crm_retire_partition('crm_leads_staging', 'crm_leads_staging_p20261120', 'detached')`,
    );
    await owner.query(sql.unsafe`SELECT analytics.crm_audit_log_ensure(now() + interval '3 months')`);
    await owner.query(sql.unsafe`SELECT analytics.crm_copy_default('crm_events_log', '2026-11-20', '2026-11-21')`);
    expect(await owner.anyFirst(unsecured)).toEqual([]);
    // The look itself can fail: a migration that forgets it is found.
    await owner.query(sql.unsafe`CREATE TABLE analytics.crm_forgotten (organization_id TEXT)`);
    expect(await owner.anyFirst(unsecured)).toEqual(['analytics.crm_forgotten']);
  });

  it('has a rule for every table that names organizations', async () => {
    const { owner } = await createGuardedDatabase();
    const named = await owner.anyFirst(sql.type(name)`
      SELECT DISTINCT c.relname::text AS name ${TABLES}
        AND NOT c.relispartition AND EXISTS (
          SELECT 1 FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attname IN ('organization_id', 'organizations') AND NOT a.attisdropped
        )
    `);
    // Keys are the installation's, and the analysts' list is asked for by name.
    const others = ['crm_api_keys', 'crm_reader_organizations'];
    expect(named.filter((table) => !others.includes(table)).toSorted()).toEqual(
      OF_ORGANIZATIONS.filter((table) => named.includes(table)).toSorted(),
    );
  });

  it.each(OF_ORGANIZATIONS)('of %s shows a tenant its own, and without a scope nothing', async (table) => {
    const { owner, poolOf } = await createGuardedDatabase();
    await insertRowsOf(owner, 'a');
    await insertRowsOf(owner, 'b');
    const pool = await poolOf(['crm_api'], { scoped: true });
    // Some the API itself has no use for, so that nobody may look at them: the policy is tried all the same.
    await owner.query(sql.unsafe`GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO crm_tenant`);
    const rows = (...organizations: string[]) => withinScope({ organizations }, () => pool.oneFirst(countIn(table)));
    expect(await owner.oneFirst(countIn(table))).toBe(2);
    expect(await rows('a')).toBe(1);
    expect(await rows('a', 'b')).toBe(2);
    expect(await rows('c')).toBe(0);
    expect(await rows()).toBe(0);
    await withinScope({ organizations: ['a'] }, async () => {
      await pool.transaction(async (t) => {
        await t.query(sql.unsafe`SELECT set_config('crm.organizations', '', true)`);
        expect(await t.oneFirst(countIn(table))).toBe(0);
      });
    });
  });

  it('refuses a scope that can not be read', async () => {
    const { owner, poolOf } = await createGuardedDatabase();
    await insertRowsOf(owner, 'a');
    const pool = await poolOf(['crm_tenant']);
    for (const scope of ['"a"', '{"a":1}', 'a', '[']) {
      await expect(
        pool.transaction(async (t) => {
          await t.query(sql.unsafe`SELECT set_config('crm.organizations', ${scope}, true)`);
          return t.oneFirst(countIn('crm_leads_staging'));
        }),
      ).rejects.toThrow();
    }
  });

  it('asks for the scope once a statement, and finds its rows by the index', async () => {
    const { owner, poolOf } = await createGuardedDatabase();
    await owner.query(sql.unsafe`SELECT analytics.crm_ensure_partition('crm_leads_staging', '2026-11-20', 'day')`);
    await owner.query(sql.unsafe`
      INSERT INTO analytics.crm_leads_staging (id, event_id, lead_id, organization_id, event_timestamp, event_type, ingestion_id)
      SELECT md5(n::text)::uuid, n::text, n::text, 'org-' || n % 500, '2026-11-20'::timestamptz + n * interval '1 second',
        'lead.created', md5('run')::uuid
      FROM generate_series(1, 20000) n
    `);
    await owner.query(sql.unsafe`ANALYZE analytics.crm_leads_staging`);
    const pool = await poolOf(['crm_api'], { scoped: true });
    const plan = (query: FragmentSqlToken) =>
      withinScope({ organizations: ['org-1'] }, async () =>
        (await pool.anyFirst(sql.type(z.object({ 'QUERY PLAN': z.string() }))`EXPLAIN ${query}`)).join('\n'),
      );
    const all = await plan(sql.fragment`SELECT * FROM analytics.crm_leads_staging`);
    expect(all).toMatch(/InitPlan[\s\S]*Index Cond: \(\(organization_id\)::text = ANY/u);
    // One entity is found by its id; the scope is only looked at.
    const one = await plan(sql.fragment`SELECT * FROM analytics.crm_leads_staging WHERE lead_id = '501'`);
    expect(one).toMatch(/Index Cond: \(\(lead_id\)::text = '501'/u);
  });
});

describe('grants', () => {
  it('give partitions to nobody but maintenance, and nothing to everybody', async () => {
    const { owner } = await createGuardedDatabase();
    await ensurePartition(owner, 'crm_events_log', Date.UTC(2026, 10, 20), 'day');
    const onPartitions = await owner.anyFirst(sql.type(name)`
      SELECT DISTINCT a.grantee::regrole::text AS name
      FROM pg_class c, aclexplode(c.relacl) a
      WHERE c.relispartition AND c.relnamespace = 'analytics'::regnamespace AND a.grantee <> c.relowner
    `);
    expect(onPartitions).toEqual(['crm_maintain']);
    const toAll = await owner.anyFirst(sql.type(name)`
      SELECT c.relname::text AS name
      FROM pg_class c, aclexplode(c.relacl) a
      WHERE c.relnamespace IN ('analytics'::regnamespace, 'analytics_masked'::regnamespace) AND a.grantee = 0
      UNION ALL
      SELECT p.proname::text
      FROM pg_proc p, aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) a
      WHERE p.pronamespace IN ('analytics'::regnamespace, 'analytics_masked'::regnamespace) AND a.grantee = 0
    `);
    expect(toAll).toEqual([]);
  });

  it('let functions that run as the owner look nothing up where somebody else could put it', async () => {
    const { owner } = await createGuardedDatabase();
    const definers = await owner.any(sql.type(z.object({ name: z.string(), pinned: z.boolean() }))`
      SELECT p.proname::text AS name, 'search_path=pg_catalog, pg_temp' = ANY (COALESCE(p.proconfig, '{}')) AS pinned
      FROM pg_proc p WHERE p.pronamespace = 'analytics'::regnamespace AND p.prosecdef
    `);
    expect(definers.length).toBeGreaterThan(8);
    expect(definers.filter(({ pinned }) => !pinned)).toEqual([]);
  });

  it.each([
    sql.unsafe`SELECT analytics.crm_ensure_partition('crm_audit_log', '2026-11-20', 'day')`,
    sql.unsafe`SELECT analytics.crm_copy_default('crm_audit_log', '2026-11-20', '2026-11-21')`,
    sql.unsafe`SELECT analytics.crm_drop_draining('crm_failed_events')`,
    sql.unsafe`
      SELECT analytics.crm_attach_drained(
        'crm_leads_staging', 'crm_events_log_default', 'crm_leads_staging_draining', '2026-11-20', '2026-11-21'
      )
    `,
    sql.unsafe`SELECT analytics.crm_analyze_partition('crm_failed_events')`,
    sql.unsafe`SELECT analytics.crm_lock_detached('crm_leads_staging_p20261120_r1')`,
    sql.unsafe`SELECT analytics.crm_drop_detached('crm_failed_events')`,
    sql.unsafe`SELECT analytics.crm_copy_held('../x', '{}')`,
  ])('let functions that run as the owner take tables of their kind alone', async (statement) => {
    const { poolOf } = await createGuardedDatabase();
    const pool = await poolOf(['crm_maintain']);
    await expect(guarded(() => pool.query(statement))).rejects.toMatchObject({ code: '42P01' });
  });

  it.each([
    ['crm_ingest', sql.unsafe`DELETE FROM analytics.crm_legal_holds`],
    ['crm_ingest', sql.unsafe`DELETE FROM analytics.crm_events_log`],
    [
      'crm_ingest',
      sql.unsafe`SELECT analytics.crm_retire_partition('crm_events_log', 'crm_events_log_undated', 'archived')`,
    ],
    ['crm_ingest', sql.unsafe`SELECT * FROM analytics.crm_leads_staging_default`],
    ['crm_ingest', sql.unsafe`SELECT * FROM analytics.crm_api_keys`],
    ['crm_maintain', sql.unsafe`INSERT INTO analytics.crm_redrives (redrive_id) VALUES (NULL)`],
    ['crm_maintain', sql.unsafe`DROP TABLE analytics.crm_leads_staging_default`],
    ['crm_api', sql.unsafe`UPDATE analytics.crm_audit_log SET status = 200`],
    ['crm_api', sql.unsafe`DELETE FROM analytics.crm_audit_log`],
    ['crm_api', sql.unsafe`TRUNCATE analytics.crm_audit_log`],
    ['crm_api', sql.unsafe`INSERT INTO analytics.crm_leads_staging (id) VALUES (NULL)`],
    ['crm_api', sql.unsafe`SELECT * FROM analytics.crm_events_log_default`],
    ['crm_api', sql.unsafe`CREATE TABLE analytics.mine (a int)`],
    ['crm_tenant', sql.unsafe`SELECT * FROM analytics.crm_suppressed`],
    ['crm_tenant', sql.unsafe`SELECT * FROM analytics.crm_api_keys`],
    ['crm_tenant', sql.unsafe`INSERT INTO analytics.crm_audit_log (sequence) VALUES (1)`],
    ['crm_read', sql.unsafe`SELECT * FROM analytics.crm_failed_events`],
    ['crm_read', sql.unsafe`UPDATE analytics.crm_leads_staging SET email = NULL`],
    ['crm_read_masked', sql.unsafe`SELECT * FROM analytics.crm_leads_staging`],
    ['crm_read_masked', sql.unsafe`SET ROLE crm_masked`],
  ])('keep %s from what it has no use for', async (role, statement) => {
    const { poolOf } = await createGuardedDatabase();
    const pool = await poolOf([role]);
    await expect(guarded(() => pool.query(statement))).rejects.toMatchObject({ code: '42501' });
  });
});

describe('a login that migrates without being a superuser', () => {
  it('owns what it makes, and works with it as ever', async () => {
    const { owner: admin, login } = await createGuardedDatabase();
    const { name: deployer, url: own } = await login('crm_tenant', 'crm_masked');
    const database = `crm_test_owned_${process.pid}`;
    await createEmptyDatabase(database);
    await admin.query(sql.unsafe`ALTER DATABASE ${sql.identifier([database])} OWNER TO ${sql.identifier([deployer])}`);
    const url = new URL(own);
    url.pathname = `/${database}`;
    await migrate({ url: url.href, ca: null });
    const pool = await openPool(url.href);
    expect(await ensurePartition(pool, 'crm_leads_staging', Date.UTC(2026, 10, 20), 'day')).toBe(true);
    await insertRowsOf(pool, 'a');
    await insertRowsOf(pool, 'b');
    expect(await pool.oneFirst(countIn('crm_leads_staging'))).toBe(2);
    expect(await pool.oneFirst(countIn('crm_leads_staging_p20261120'))).toBe(2);
    const scoped = await openPool(url.href, { scoped: true });
    expect(await withinScope({ organizations: ['a'] }, () => scoped.oneFirst(countIn('crm_leads_staging')))).toBe(1);
  });

  it('is told what a DBA must do when it may not make the roles', async () => {
    const { owner: admin, login } = await createGuardedDatabase();
    const { name: deployer, url: own } = await login();
    const database = `crm_test_refused_${process.pid}`;
    await createEmptyDatabase(database);
    await admin.query(sql.unsafe`ALTER DATABASE ${sql.identifier([database])} OWNER TO ${sql.identifier([deployer])}`);
    const url = new URL(own);
    url.pathname = `/${database}`;
    await expect(migrate({ url: url.href, ca: null })).rejects.toThrow(`GRANT crm_tenant, crm_masked TO ${deployer};`);
  });
});
