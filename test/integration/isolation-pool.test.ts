import { type DatabasePool, sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { guarded } from '../../adapters/postgres/errors.ts';
import { NoScopeError } from '../../adapters/postgres/scoped-pool.ts';
import { INSTALLATION, keepingScope, withinScope } from '../../platform/scope.ts';
import { createGuardedDatabase, insertRowsOf } from './isolation-harness.ts';

const leads = sql.type(z.object({ organization: z.string() }))`
  SELECT organization_id AS organization FROM analytics.crm_leads_staging ORDER BY organization_id
`;
const acting = sql.type(z.object({ role: z.string(), organizations: z.string().nullable() }))`
  SELECT current_user::text AS role, NULLIF(current_setting('crm.organizations', true), '') AS organizations
`;

const of = (...organizations: string[]) => ({ organizations });

/** The API's pool, over rows of the organizations `a`, `b` and `c`. */
async function open(poolSize = 1) {
  const { owner, login, poolOf } = await createGuardedDatabase();
  for (const organization of ['a', 'b', 'c']) await insertRowsOf(owner, organization);
  return { owner, login, pool: await poolOf(['crm_api'], { scoped: true, poolSize }) };
}

/** @returns which organizations' leads somebody within the scope sees */
const seen = (pool: DatabasePool, organizations: readonly string[] | null) =>
  withinScope({ organizations }, () => pool.anyFirst(leads));

describe('a pool that obeys the scope', () => {
  it('shows rows of the scope alone, over one connection after the other', async () => {
    const { pool } = await open();
    expect(await seen(pool, ['a'])).toEqual(['a']);
    expect(await seen(pool, ['c', 'a'])).toEqual(['a', 'c']);
    expect(await seen(pool, null)).toEqual(['a', 'b', 'c']);
    expect(await seen(pool, [])).toEqual([]);
    expect(await seen(pool, ['none'])).toEqual([]);
    expect(await seen(pool, ['a","b'])).toEqual([]);
    expect(await seen(pool, null)).toEqual(['a', 'b', 'c']);
  });

  it('refuses work that is in no scope, as a defect and before it asks anything', async () => {
    const { pool } = await open();
    await expect(pool.anyFirst(leads)).rejects.toThrow(NoScopeError);
    await expect(pool.transaction((t) => t.anyFirst(leads))).rejects.toThrow(NoScopeError);
    await expect(pool.connect((c) => c.anyFirst(leads))).rejects.toThrow(NoScopeError);
    await expect(guarded(() => pool.anyFirst(leads))).rejects.toThrow('unexpected NoScopeError');
    expect(pool.state().acquiredConnections).toBe(0);
  });

  it('binds transactions and connections that are held', async () => {
    const { pool } = await open();
    await withinScope(of('b'), async () => {
      expect(await pool.transaction((t) => t.anyFirst(leads))).toEqual(['b']);
      expect(await pool.connect((c) => c.transaction((t) => t.anyFirst(leads)))).toEqual(['b']);
      expect(await pool.connect((c) => c.one(acting))).toEqual({ role: 'crm_tenant', organizations: '["b"]' });
    });
    expect(await withinScope(INSTALLATION, () => pool.one(acting))).toMatchObject({ organizations: null });
  });

  it('gives no connection on as it was bound, whatever went wrong over it', async () => {
    const { pool } = await open();
    const broken = sql.unsafe`SELECT 1 / 0`;
    await withinScope(of('a'), async () => {
      await expect(pool.query(broken)).rejects.toThrow();
      await expect(pool.transaction((t) => t.query(broken))).rejects.toThrow();
      await expect(
        pool.transaction(async (t) => {
          await t.query(broken).catch(() => undefined);
          return t.query(sql.unsafe`SELECT 1`);
        }),
      ).rejects.toThrow();
      await expect(pool.connect(() => Promise.reject(new Error('of the caller')))).rejects.toThrow('of the caller');
      await pool.query(sql.unsafe`SELECT pg_terminate_backend(pg_backend_pid())`).catch(() => undefined);
    });
    for (let again = 0; again < 3; again += 1) {
      expect(await withinScope(INSTALLATION, () => pool.one(acting))).toEqual({
        role: expect.stringMatching(/^crm_test_login_/u),
        organizations: null,
      });
      expect(await seen(pool, null)).toEqual(['a', 'b', 'c']);
    }
  });

  it('keeps many scopes apart that wait for the same connections', async () => {
    const { pool } = await open(2);
    const scopes = Array.from({ length: 60 }, (_, index) => [['a'], ['b'], ['a', 'c'], null][index % 4] ?? null);
    const found = await Promise.all(scopes.map((organizations) => seen(pool, organizations)));
    expect(found).toEqual(scopes.map((organizations) => organizations ?? ['a', 'b', 'c']));
  });

  it('lets nobody bound write for others, or what is no organization’s', async () => {
    const { pool, owner } = await open();
    const hold = (organization: string) =>
      guarded(() =>
        pool.query(sql.unsafe`
          INSERT INTO analytics.crm_legal_holds (organization_id, reason, placed_by) VALUES (${organization}, 'x', 'ann')
        `),
      );
    await withinScope(of('a', 'new'), async () => {
      await expect(hold('b')).rejects.toMatchObject({ code: '42501' });
      await hold('new');
      const changed = await pool.query(sql.unsafe`
        UPDATE analytics.crm_failed_events SET discard_reason = 'x'
      `);
      expect(changed.rowCount).toBe(1);
      await expect(
        guarded(() => pool.query(sql.unsafe`UPDATE analytics.crm_failed_events SET organization_id = 'b'`)),
      ).rejects.toMatchObject({ code: '42501' });
      const gone = await pool.query(sql.unsafe`DELETE FROM analytics.crm_retention`);
      expect(gone.rowCount).toBe(1);
    });
    expect(
      await owner.anyFirst(sql.type(z.object({ organization: z.string() }))`
        SELECT organization_id AS organization FROM analytics.crm_failed_events WHERE discard_reason = 'x'
      `),
    ).toEqual(['a']);
  });

  it('keeps its scope for what a stream asks for later', async () => {
    const { pool } = await open();
    const ask = withinScope(of('a'), () => keepingScope(() => pool.anyFirst(leads)));
    expect(await ask()).toEqual(['a']);
    expect(await withinScope(INSTALLATION, ask)).toEqual(['a']);
  });

  it('of a login that may not become the tenant shows nothing', async () => {
    const { poolOf, owner } = await createGuardedDatabase();
    await insertRowsOf(owner, 'a');
    const pool = await poolOf(['crm_ingest'], { scoped: true });
    await expect(withinScope(of('a'), () => guarded(() => pool.anyFirst(leads)))).rejects.toMatchObject({
      code: '42501',
    });
  });
});
