import { describe, expect, it } from 'vitest';
import { bindingOf, isBoundTo, mayKnow } from '../../../activities/job-binding.ts';
import type { Replay } from '../../../activities/replay-ports.ts';
import type { JobReport } from '../../../activities/retry-ports.ts';
import type { ApiDeps } from '../../../api/ports.ts';
import { isInScope, limited, mustOwn, owns, searched } from '../../../api/tenancy.ts';
import { ALL_PERMISSIONS } from '../../../domain/permissions.ts';
import { INSTALLATION, withinScope } from '../../../platform/scope.ts';
import { NO_TOTALS } from '../../../workflows/contracts.ts';
import { createTestApp, PREFIX } from './app-under-test.ts';
import { createMemoryRedrives } from './memory-redrives.ts';
import { createMemoryReplays } from './memory-replays.ts';

const EVERYBODY = { organizations: null };
const NOBODY = { organizations: [] };
const ONE = { organizations: ['org-a'] };
const TWO = { organizations: ['org-a', 'org-b'] };

/** The app as somebody sees it who may do everything, for the organizations of the header. */
function setUp(over: Partial<ApiDeps> = {}) {
  const { desk: redrives, rows: redriven, tried } = createMemoryRedrives();
  const { desk: replays, rows: replayed } = createMemoryReplays();
  const app = createTestApp({
    redrives,
    replays,
    authenticate: async (c, next) => {
      const bound = c.req.header('x-organizations') ?? '';
      const organizations = bound === '*' ? null : bound.split(' ').filter((id) => id !== '');
      c.set('principal', { name: 'ann', kind: 'token', permissions: new Set(ALL_PERMISSIONS), organizations });
      await next();
    },
    ...over,
  });
  async function ask(organizations: string, route: string, json?: unknown) {
    const [method, path] = route.split(' ') as [string, string];
    const response = await app.app.request(`${PREFIX}${path}`, {
      method,
      headers: { 'x-organizations': organizations, 'content-type': 'application/json' },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
  return { ask, redriven, replayed, tried };
}

describe('an identity', () => {
  it('owns what is of its organizations, and of none only when it is bound to none', () => {
    expect(owns(ONE, 'org-a')).toBe(true);
    expect([owns(ONE, 'org-b'), owns(ONE, null), owns(NOBODY, 'org-a'), owns(NOBODY, undefined)]).not.toContain(true);
    expect([owns(EVERYBODY, 'org-b'), owns(EVERYBODY, null)]).toEqual([true, true]);
    expect(() => mustOwn(ONE, 'ORG-A')).toThrow('not bound');
  });

  it('is what the scope of the work under way says', () => {
    expect(withinScope(ONE, () => [isInScope('org-a'), isInScope('org-b'), isInScope(undefined)])).toEqual([
      true,
      false,
      false,
    ]);
    expect(withinScope(INSTALLATION, () => isInScope('org-b'))).toBe(true);
  });

  it('has searches limited to the one organization that it has, and to one that it names', () => {
    expect(searched(ONE, undefined)).toBe('org-a');
    expect([searched(TWO, undefined), searched(NOBODY, undefined), searched(EVERYBODY, undefined)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([searched(TWO, 'org-b'), searched(EVERYBODY, 'org-z')]).toEqual(['org-b', 'org-z']);
    expect(() => searched(TWO, 'org-z')).toThrow('not bound');
  });

  it('must say which of its organizations a worker is to be limited to', () => {
    expect([limited(ONE, undefined, 'x'), limited(TWO, 'org-b', 'x'), limited(EVERYBODY, undefined, 'x')]).toEqual([
      'org-a',
      'org-b',
      undefined,
    ]);
    expect(() => limited(TWO, undefined, 'filter.organizationId')).toThrow('filter.organizationId: required');
    expect(() => limited(NOBODY, undefined, 'x')).toThrow('no organization');
  });
});

describe('a job', () => {
  it('holds hashes of the organizations that it is limited to, which may be addresses', () => {
    const binding = bindingOf(['ada@canary.example']);
    expect(JSON.stringify(binding)).not.toContain('canary');
    expect(isBoundTo(binding, 'ada@canary.example')).toBe(true);
    expect([isBoundTo(binding, 'org-b'), isBoundTo(binding, null), isBoundTo([], 'org-a')]).not.toContain(true);
    expect([isBoundTo(null, 'org-b'), isBoundTo(null, null)]).toEqual([true, true]);
  });

  it('is known to those who own all that it could tell of', () => {
    const ofBoth = bindingOf(['org-a', 'org-b']);
    expect([mayKnow(['org-b', 'org-a', 'org-c'], ofBoth), mayKnow(null, ofBoth), mayKnow(null, null)]).toEqual([
      true,
      true,
      true,
    ]);
    expect([mayKnow(['org-a'], ofBoth), mayKnow([], ofBoth), mayKnow(['org-a'], null), mayKnow([], [])]).not.toContain(
      true,
    );
  });

  it('of others is answered like one that there is not', async () => {
    const report: JobReport = {
      ...{ jobId: 'enqueue-1', kind: 'enqueue', binding: bindingOf(['org-b']), state: 'waiting', outcome: null },
      ...{ error: null, attempts: 0, createdAt: 0, runsAt: 0, startedAt: null, finishedAt: null },
    };
    const enqueued: unknown[] = [];
    const { ask } = setUp({
      jobs: {
        enqueue: async (_at, _delay, binding) => {
          enqueued.push(binding);
          return { jobId: 'enqueue-2', runsAt: 0 };
        },
        job: async (id) => (id === 'enqueue-1' ? report : null),
      },
    });
    const others = await ask('org-a', 'GET /jobs/enqueue-1');
    const unknown = await ask('org-a', 'GET /jobs/enqueue-9');
    expect(others).toMatchObject({ status: 404, body: { detail: unknown.body.detail, title: unknown.body.title } });
    const own = await ask('org-b', 'GET /jobs/enqueue-1');
    expect(own.status).toBe(200);
    expect(own.body).not.toHaveProperty('binding');
    const at = { topic: 'crm.leads', partition: 0, offset: 1 };
    expect((await ask('', 'POST /enqueue', at)).status).toBe(403);
    expect((await ask('org-a', 'POST /enqueue', at)).status).toBe(202);
    expect((await ask('*', 'POST /enqueue', at)).status).toBe(202);
    expect(enqueued).toEqual([bindingOf(['org-a']), null]);
  });
});

describe('a redrive', () => {
  it('is limited to the organization of whoever asks, and so is its plan', async () => {
    const { ask, redriven, tried } = setUp();
    expect((await ask('org-a', 'POST /redrives/plan', { filter: {} })).status).toBe(200);
    expect(tried).toMatchObject([{ filter: { organizationId: 'org-a' } }]);
    expect((await ask('org-a', 'POST /redrives', { filter: {} })).status).toBe(202);
    expect([...redriven.values()]).toMatchObject([{ filter: { organizationId: 'org-a' } }]);
    const two = await ask('org-a org-b', 'POST /redrives', { filter: {} });
    expect(two).toMatchObject({ status: 400, body: { errors: [{ path: 'filter.organizationId' }] } });
    expect((await ask('org-a org-b', 'POST /redrives', { filter: { organizationId: 'org-b' } })).status).toBe(202);
    expect((await ask('org-a', 'POST /redrives', { filter: { organizationId: 'org-b' } })).status).toBe(403);
    expect((await ask('', 'POST /redrives', { filter: {} })).status).toBe(403);
    expect(redriven.size).toBe(2);
  });

  it('of others, or of all, is neither listed nor found nor told anything', async () => {
    const { ask, redriven } = setUp();
    await ask('*', 'POST /redrives', { filter: {} });
    await ask('org-b', 'POST /redrives', { filter: {} });
    const before = JSON.stringify([...redriven.values()]);
    expect((await ask('org-a', 'GET /redrives')).body).toEqual({ redrives: [] });
    const unknown = '00000000-0000-4000-8000-000000000000';
    for (const id of redriven.keys()) {
      for (const what of ['pause', 'resume', 'cancel', 'approve', 'reject']) {
        const answer = await ask('org-a', `POST /redrives/${id}/${what}`);
        expect(answer, what).toMatchObject({ status: 404, body: { detail: `There is no redrive ${id}.` } });
      }
      expect((await ask('org-a', `PUT /redrives/${id}/rate`, { ratePerSecond: 1 })).status).toBe(404);
      const shown = await ask('org-a', `GET /redrives/${id}`);
      const nothing = await ask('org-a', `GET /redrives/${unknown}`);
      expect(
        JSON.stringify(shown.body)
          .replaceAll(id, unknown)
          .replace(/"requestId":"[^"]+"/u, ''),
      ).toBe(JSON.stringify(nothing.body).replace(/"requestId":"[^"]+"/u, ''));
    }
    expect(JSON.stringify([...redriven.values()])).toBe(before);
    expect((await ask('*', 'GET /redrives')).body.redrives).toHaveLength(2);
  });
});

describe('a replay', () => {
  const RANGES = { ranges: [{ topic: 'crm.leads' }] };

  it('is limited to the organization of whoever asks', async () => {
    const { ask, replayed } = setUp();
    expect((await ask('org-a', 'POST /replays', RANGES)).status).toBe(202);
    expect((await ask('org-a', 'POST /backfills', { source: 'kafka', topics: ['crm.leads'] })).status).toBe(202);
    expect([...replayed.values()].map(({ filter }) => filter)).toEqual([
      { organizationId: 'org-a' },
      { organizationId: 'org-a' },
    ]);
    for (const route of ['POST /replays', 'POST /replays/plan']) {
      expect((await ask('org-a', route, { ...RANGES, filter: { organizationId: 'org-b' } })).status).toBe(403);
      expect((await ask('org-a org-b', route, RANGES)).status).toBe(400);
      expect((await ask('', route, RANGES)).status).toBe(403);
    }
  });

  it('can not be of files, whose lines a mapping could give to anybody, nor of what somebody else read', async () => {
    const { ask, replayed } = setUp();
    const files = { source: 'files', folder: 'x', format: 'ndjson', filter: { organizationId: 'org-a' } };
    const run = { runId: '00000000-0000-4000-8000-000000000000' };
    for (const path of ['', '/plan']) {
      expect((await ask('org-a', `POST /backfills${path}`, files)).status).toBe(403);
      expect((await ask('org-a', `POST /replays${path}`, run)).status).toBe(403);
    }
    expect((await ask('*', 'POST /backfills', files)).status).toBe(202);
    expect(replayed.size).toBe(1);
    // The names of files may tell of others, whatever the filter is.
    expect((await ask('org-a', 'GET /replays')).body).toEqual({ replays: [] });
    expect((await ask('org-a', `GET /replays/${[...replayed.keys()]}`)).status).toBe(404);
  });

  it('does not report when records came that may be of others', async () => {
    const { ask, replayed } = setUp();
    await ask('org-a', 'POST /replays', RANGES);
    const [[id, replay]] = [...replayed] as [[string, Replay]];
    const range = { topic: 'crm.leads', partition: 0, from: 0, to: 9, next: 9, lost: 0, jumpedOver: 0 };
    const times = { firstTimestamp: '2026-01-01T00:00:00.000Z', lastTimestamp: '2026-01-02T00:00:00.000Z' };
    const report = {
      partitions: [{ ...range, counts: NO_TOTALS, ...times }],
      ...{ totals: NO_TOTALS, lost: 0, failures: [], seconds: 1, offsetsPerSecond: 9, findings: null },
    };
    replayed.set(id, { ...replay, report });
    expect((await ask('*', `GET /replays/${id}`)).body.report).toEqual(report);
    const partitions = [{ ...range, counts: NO_TOTALS, firstTimestamp: null, lastTimestamp: null }];
    expect((await ask('org-a', `GET /replays/${id}`)).body.report).toEqual({ ...report, partitions });
  });

  it('of others is neither listed nor found nor told anything', async () => {
    const { ask, replayed } = setUp();
    await ask('*', 'POST /replays', RANGES);
    await ask('org-b', 'POST /replays', RANGES);
    const before = JSON.stringify([...replayed.values()]);
    expect((await ask('org-a', 'GET /replays')).body).toEqual({ replays: [] });
    for (const id of replayed.keys()) {
      expect((await ask('org-a', `GET /replays/${id}`)).status).toBe(404);
      for (const what of ['pause', 'resume', 'cancel']) {
        expect((await ask('org-a', `POST /replays/${id}/${what}`)).status, what).toBe(404);
      }
      expect((await ask('org-a', `PUT /replays/${id}/rate`, { lanes: 1 })).status).toBe(404);
    }
    expect(JSON.stringify([...replayed.values()])).toBe(before);
  });
});

describe('an erasure', () => {
  it('is of records or all of an own organization, never of an address, which is erased everywhere', async () => {
    const created: unknown[] = [];
    const { ask } = setUp({
      erasures: {
        create: async ({ subject }) => {
          created.push(subject);
        },
        fail: async () => {},
        list: async () => [],
        find: async () => null,
        isHeld: async () => false,
      },
    });
    const erase = async (organizations: string, subject: object) =>
      (await ask(organizations, 'POST /erasures', { subject, action: 'delete', reason: 'Asked to by letter' })).status;
    const records = { entity: 'lead', ids: ['l-1'] };
    expect(await erase('org-a', { email: 'a@canary.example' })).toBe(403);
    expect(await erase('org-a', { organizationId: 'org-b' })).toBe(403);
    expect(await erase('org-a', { ...records, organizationId: 'org-b' })).toBe(403);
    expect(await erase('org-a org-b', records)).toBe(400);
    expect(await erase('', records)).toBe(403);
    expect(created).toEqual([]);
    expect(await erase('org-a', records)).toBe(202);
    expect(await erase('org-a', { organizationId: 'org-a' })).toBe(202);
    expect(await erase('*', records)).toBe(202);
    expect(created).toEqual([
      { kind: 'records', ...records, organizationId: 'org-a' },
      { kind: 'organization', organizationId: 'org-a' },
      { kind: 'records', ...records, organizationId: null },
    ]);
  });
});

describe('a retention rule', () => {
  const rule = { table: 'crm_leads_staging', keepDays: 30 } as const;
  const kept = {
    afterwards: 'drop',
    late: 'quarantine',
    changedBy: 'ops',
    changedAt: '2026-01-01T00:00:00.000Z',
  } as const;

  it('of an own organization is theirs to change, as long as the table keeps its rows', async () => {
    const put: unknown[] = [];
    const { ask } = setUp({
      retention: {
        list: async () => [
          { ...rule, ...kept, organizationId: null },
          { ...rule, ...kept, organizationId: 'org-a', keepDays: 10 },
          { ...rule, ...kept, organizationId: 'org-b', keepDays: 20 },
        ],
        put: async (asked) => {
          put.push(asked);
          return { ...asked, changedAt: kept.changedAt };
        },
        remove: async () => true,
      },
    });
    const { body } = await ask('org-a', 'GET /retention');
    expect(body.rules).toMatchObject([{ organizationId: null }, { organizationId: 'org-a' }]);
    const set = async (over: object) => (await ask('org-a', 'PUT /retention', { ...rule, ...over })).status;
    expect(await set({})).toBe(403);
    expect(await set({ organizationId: 'org-b' })).toBe(403);
    expect(await set({ organizationId: 'org-a', keepDays: 31 })).toBe(409);
    expect(put).toEqual([]);
    expect(await set({ organizationId: 'org-a', keepDays: 30 })).toBe(200);
    // Another table has no rule: its rows are kept for ever.
    expect(await set({ table: 'crm_contacts_staging', organizationId: 'org-a', keepDays: 900 })).toBe(200);
    expect((await ask('org-a', 'DELETE /retention/crm_leads_staging')).status).toBe(403);
    expect((await ask('org-a', 'DELETE /retention/crm_leads_staging/org-b')).status).toBe(403);
    expect((await ask('org-a', 'DELETE /retention/crm_leads_staging/org-a')).status).toBe(200);
    expect((await ask('*', 'PUT /retention', { ...rule, keepDays: 999 })).status).toBe(200);
  });
});
