import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { ALL_ROLES, type Role } from '../../domain/permissions.ts';
import { type AccessRow, accessMatrix, answerTo, BINDINGS, type Binding } from '../../scripts/lib/access-matrix.ts';
import { createTestApp } from '../unit/api/app-under-test.ts';
import { ASKS, type Ask, BACK_WAYS } from './tenants-asks.ts';
import { type Answered, createTenants, type Identity, OURS, THEIRS, type Things } from './tenants-harness.ts';

const rows = accessMatrix(createTestApp().document);
const ofTenants = rows.filter(({ answers }) => answers.own === 'allowed');

const ORGANIZATIONS: Record<Binding, readonly string[]> = {
  installation: ['*'],
  own: [OURS],
  others: [OURS],
  none: [],
};

const isLog = ({ route }: AccessRow) => route.startsWith('GET /audit-log');

const OUR_ADMIN: Identity = { roles: ['admin'], organizations: [OURS] };

type Tenants = Awaited<ReturnType<typeof createTenants>>;

it('there is a request for each route that speaks of organizations, and for no other', () => {
  expect(Object.keys(ASKS).toSorted()).toEqual(ofTenants.map(({ route }) => route).toSorted());
});

it('every route answers every role of every organization as the matrix says, and nothing of others is shown or changed', {
  timeout: 600_000,
}, async () => {
  const tenants = await createTenants();
  const { pool, theirs, ours } = tenants;
  const secrets = [
    THEIRS,
    await theirs.running(),
    await theirs.awaiting(),
    await theirs.replay(),
    await theirs.erasure(),
  ];
  const before = await rowsOf(pool, THEIRS);
  expect([...before.keys()]).toEqual(
    expect.arrayContaining(['crm_failed_events', 'crm_leads_staging', 'crm_redrives']),
  );

  const wrong: string[] = [];
  async function check(route: string, as: Identity, ask: Ask, right: readonly number[] | 'let in') {
    const answered = await send(tenants, route, as, ask);
    const isRight = right === 'let in' ? ![401, 403].includes(answered.status) : right.includes(answered.status);
    const shown = as.organizations.includes('*') ? [] : shownOf(secrets, answered, ask);
    if (isRight && shown.length === 0) return;
    const asked = `${route} ${JSON.stringify(ask.json ?? ask.query ?? '')} as ${as.roles} of ${as.organizations}`;
    wrong.push(`${asked}: ${answered.status} shows ${shown}: ${answered.text.slice(0, 300)}`);
  }

  // First what tells of requests: the log has those of ours that name what is theirs.
  for (const row of rows.toSorted((a, b) => Number(isLog(b)) - Number(isLog(a)))) {
    const cells = ALL_ROLES.flatMap((role) => BINDINGS.map((binding) => ({ role, binding })));
    const checkCell = async ({ role, binding }: (typeof cells)[number]) => {
      const ask = await askFor(row, role, binding, tenants);
      const as = { roles: [role], organizations: ORGANIZATIONS[binding] };
      await check(row.route, as, ask, rightOf(row, role, binding, ask));
    };
    const isAllowed = ({ role, binding }: (typeof cells)[number]) => answerTo(row, role, binding) === 'allowed';
    await Promise.all(cells.filter((cell) => !isAllowed(cell)).map(checkCell));
    // What is carried out may be of one and the same hold or rule.
    for (const cell of cells.filter(isAllowed)) await checkCell(cell);
  }
  for (const { route, status, ask } of BACK_WAYS) await check(route, OUR_ADMIN, await ask(theirs), [status]);
  expect(wrong).toEqual([]);

  for (const row of ofTenants.filter(({ answers }) => answers.others === 'unknown')) {
    const ask = (await ASKS[row.route]?.(theirs)) ?? {};
    expect(await normal(tenants, row.route, ask), row.route).toEqual(
      await normal(tenants, row.route, { ...ask, params: { ...ask.params, id: unknownLike(ask.params?.id ?? '') } }),
    );
  }

  expect(await jobOf(tenants, theirs)).toMatchObject({ outcome: 'nothing-there' });
  expect(await jobOf(tenants, ours)).toMatchObject({ outcome: 'skipped', reason: 'reread' });
  expect(await rowsOf(pool, THEIRS)).toEqual(before);
  await expectOwnCounts(tenants);

  const rule = { table: 'crm_contacts_staging', keepDays: 100 };
  expect((await tenants.ask({ ...OUR_ADMIN, organizations: ['*'] }, 'PUT', '/retention', rule)).status).toBe(200);
  const ofOurs = { ...rule, organizationId: OURS };
  expect((await tenants.ask(OUR_ADMIN, 'PUT', '/retention', { ...ofOurs, keepDays: 101 })).status).toBe(409);
  expect((await tenants.ask(OUR_ADMIN, 'PUT', '/retention', ofOurs)).status).toBe(200);
  expect((await tenants.ask(OUR_ADMIN, 'GET', '/retention')).text).toMatch(/"organizationId":null/u);
});

/** For what is not of organizations nothing is named, and what a body would do is not done. */
async function askFor({ route, ...row }: AccessRow, role: Role, binding: Binding, things: Tenants): Promise<Ask> {
  const ask = ASKS[route];
  if (ask === undefined) return route.startsWith('GET') ? {} : { json: 'nothing that any route takes' };
  if (binding === 'others') return ask(things.theirs);
  // What is refused changes nothing, so that it need not be another thing each time.
  const isRefused = answerTo({ route, ...row }, role, binding) !== 'allowed';
  return ask(isRefused ? { ...things.ours, letter: () => things.ours.firstLetter } : things.ours);
}

/** @returns the right statuses; `let in` where the answer is as things stand of the installation */
function rightOf(row: AccessRow, role: Role, binding: Binding, { stands }: Ask): readonly number[] | 'let in' {
  switch (answerTo(row, role, binding)) {
    case 'forbidden':
      return [403];
    case 'unknown':
      return [404];
    case 'left out':
      return [200, 202];
    case 'allowed':
      return ofTenants.includes(row) ? (stands ?? [200, 202]) : 'let in';
  }
}

function send(
  { ask }: Tenants,
  route: string,
  as: Identity,
  { params = {}, query = '', json }: Ask,
): Promise<Answered> {
  const [method, path] = route.split(' ') as [string, string];
  const filled = path.replaceAll(/\{(\w+)\}/gu, (_, name: string) => encodeURIComponent(params[name] ?? '1'));
  return ask(as, method, `${filled}${query}`, json);
}

/** What an answer tells of others, beyond what was asked for. */
function shownOf(secrets: readonly string[], { text, headers }: Answered, { params = {}, query = '' }: Ask): string[] {
  const told = [...Object.values(params).map(String), ...query.split('=').slice(1)];
  const answer = told.reduce((all, asked) => all.replaceAll(asked, ''), text + JSON.stringify([...headers]));
  return secrets.filter((secret) => answer.includes(secret));
}

/** An id of the same kind that nothing has. */
function unknownLike(id: string | number): string {
  if (typeof id === 'number') return '987654321';
  const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/u;
  return uuid.test(id) ? id.replace(uuid, '12345678-1234-4123-8123-123456789abc') : 'nothing-has-this-id';
}

/** An answer to us without what differs from request to request, so that those to two ids can be compared. */
async function normal(tenants: Tenants, route: string, ask: Ask) {
  const { status, text, headers } = await send(tenants, route, OUR_ADMIN, ask);
  const { requestId: _, ...body } = z
    .looseObject({ requestId: z.string() })
    .parse(JSON.parse(text.replaceAll(String(ask.params?.id), '<id>')));
  const own = ['date', 'x-request-id', 'content-length'];
  const others = [...headers].filter(([name]) => !own.includes(name) && !name.includes('ratelimit'));
  return { status, body, headers: others };
}

/** The outcome of a job of ours for a message. */
async function jobOf(tenants: Tenants, of: Things): Promise<unknown> {
  const { text } = await send(tenants, 'POST /enqueue', OUR_ADMIN, (await ASKS['POST /enqueue']?.(of)) ?? {});
  const { jobId } = z.object({ jobId: z.string() }).parse(JSON.parse(text));
  const job = async () =>
    z
      .object({ state: z.string(), outcome: z.unknown() })
      .parse(JSON.parse((await tenants.ask(OUR_ADMIN, 'GET', `/jobs/${jobId}`)).text));
  await expect.poll(job, { timeout: 30_000 }).toMatchObject({ state: 'completed' });
  return (await job()).outcome;
}

/** Every row of an organization, by table, as a checksum. */
async function rowsOf(pool: Tenants['pool'], organizationId: string): Promise<Map<string, string>> {
  const tables = await pool.anyFirst(sql.type(z.object({ name: z.string() }))`
    SELECT c.relname::text AS name FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('organization_id', 'filter')
    WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY 1`);
  const sums = new Map<string, string>();
  for (const name of tables) {
    const sum = await pool.oneFirst(sql.type(z.object({ sum: z.string().nullable() }))`
      SELECT count(*) || ' ' || md5(string_agg(t::text, ' ' ORDER BY t::text)) AS sum
      FROM ${sql.identifier(['analytics', name])} t
      WHERE COALESCE(to_jsonb(t) ->> 'organization_id', to_jsonb(t) -> 'filter' ->> 'organizationId') = ${organizationId}`);
    if (sum !== null) sums.set(name, sum);
  }
  return sums;
}

const counted = z.array(z.looseObject({ count: z.number() }));

/** Counts have no text that could be searched for. */
async function expectOwnCounts({ pool, ask }: Tenants): Promise<void> {
  const ownIds = await pool.anyFirst(sql.type(z.object({ id: z.number() }))`
    SELECT failed_id AS id FROM analytics.crm_failed_events WHERE organization_id = ${OURS}`);
  const open = await pool.oneFirst(sql.type(z.object({ events: z.number() }))`
    SELECT count(*) AS events FROM analytics.crm_failed_events
    WHERE organization_id = ${OURS} AND status IN ('failed', 'dead')`);
  const get = async (path: string): Promise<unknown> => JSON.parse((await ask(OUR_ADMIN, 'GET', path)).text);
  const sum = (counts: z.infer<typeof counted>) => counts.reduce((all, { count }) => all + count, 0);

  const { statuses, organizations } = z
    .object({ statuses: counted, organizations: counted })
    .parse(await get('/dead-letters/summary'));
  expect(sum(statuses)).toBe(ownIds.length);
  expect(organizations).toEqual([{ organizationId: OURS, count: open }]);
  const { groups } = z.object({ groups: counted }).parse(await get('/dead-letters/groups'));
  expect(sum(groups)).toBe(open);
  for (const { exampleId } of groups) expect(ownIds).toContain(exampleId);
  const { items } = z
    .object({ items: z.array(z.looseObject({ id: z.number() })) })
    .parse(await get('/dead-letters?limit=500'));
  expect(items.map(({ id }) => id).toSorted()).toEqual([...ownIds].toSorted());
  const { text } = await ask(OUR_ADMIN, 'POST', '/redrives/plan', { filter: {} });
  expect(JSON.parse(text)).toMatchObject({ total: open, dryRun: { examined: open } });
}
