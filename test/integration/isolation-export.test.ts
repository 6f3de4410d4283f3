import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { createDeadLetters } from '../../adapters/postgres/dead-letters.ts';
import { ALL_PERMISSIONS } from '../../domain/permissions.ts';
import { createTestApp, PREFIX } from '../unit/api/app-under-test.ts';
import { createGuardedDatabase, insertRowsOf } from './isolation-harness.ts';

/** More than the export has in one page. */
const EVENTS = 180;

/** The API over failed events of `a`, `b` and nobody, turn by turn, for whoever the header binds. */
async function openApi() {
  const { owner, poolOf } = await createGuardedDatabase();
  await insertRowsOf(owner, 'a');
  await owner.query(sql.unsafe`
    INSERT INTO analytics.crm_failed_events (
      source_id, topic, partition, "offset", status, error_code, error_message, organization_id, event_timestamp,
      record_timestamp, run_id
    )
    SELECT f.source_id, f.topic, f.partition, f."offset" + n, 'dead', f.error_code, f.error_message,
      (ARRAY['a', 'b', NULL])[1 + n % 3], f.event_timestamp, f.record_timestamp, f.run_id
    FROM analytics.crm_failed_events f, generate_series(1, ${EVENTS}::int) n
  `);
  const pool = await poolOf(['crm_api'], { scoped: true, poolSize: 1 });
  return createTestApp({
    deadLetters: createDeadLetters(pool),
    authenticate: async (c, next) => {
      const organizations = c.req.header('x-organizations')?.split(',') ?? null;
      c.set('principal', { name: 'ada', kind: 'token', permissions: new Set(ALL_PERMISSIONS), organizations });
      await next();
    },
  });
}

async function exported(app: Awaited<ReturnType<typeof openApi>>, bound: Record<string, string>) {
  const response = await app.request('GET', `${PREFIX}/dead-letters/export`, { headers: bound });
  expect(response.status).toBe(200);
  const lines = (await response.text()).split('\n').slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { organizationId: string | null }).organizationId);
}

it('an export is bound to the end, though its later pages are read after the request was handled', async () => {
  const app = await openApi();
  const counted = (organizations: Array<string | null>) => ({
    all: organizations.length,
    of: [...new Set(organizations)].toSorted(),
  });
  expect(counted(await exported(app, { 'x-organizations': 'a' }))).toEqual({ all: 1 + EVENTS / 3, of: ['a'] });
  expect(counted(await exported(app, { 'x-organizations': 'b,a' }))).toEqual({
    all: 1 + (2 * EVENTS) / 3,
    of: ['a', 'b'],
  });
  expect(await exported(app, { 'x-organizations': 'c' })).toEqual([]);
  expect(counted(await exported(app, {}))).toEqual({ all: 1 + EVENTS, of: ['a', 'b', null] });
});

it('one event of another organization is not there, whatever is done to it', async () => {
  const app = await openApi();
  const all = await app.request('GET', `${PREFIX}/dead-letters?limit=50`);
  const { items } = (await all.json()) as { items: Array<{ id: number; organizationId: string | null }> };
  const theirs = items.filter(({ organizationId }) => organizationId !== 'a');
  expect(theirs.length).toBeGreaterThan(10);
  for (const { id } of theirs.slice(0, 3)) {
    for (const [method, path, json] of [
      ['GET', `/dead-letters/${id}`, undefined],
      ['POST', `/dead-letters/${id}/discard`, { reason: 'not ours' }],
    ] as const) {
      const { status } = await app.request(method, `${PREFIX}${path}`, {
        headers: { 'x-organizations': 'a' },
        ...(json && { json }),
      });
      expect(status, `${method} ${path}`).toBe(404);
    }
  }
});
