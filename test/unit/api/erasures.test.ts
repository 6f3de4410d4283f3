import { describe, expect, it } from 'vitest';
import type { Erasure } from '../../../activities/erasure-ports.ts';
import type { ApiDeps } from '../../../api/ports.ts';
import { ControlUnavailableError } from '../../../workflows/control-port.ts';
import { createTestApp, PREFIX } from './app-under-test.ts';

const EMAIL = 'canary.91c4@leak.example';
const BY_EMAIL = { subject: { email: EMAIL }, action: 'delete', reason: 'Asked to by letter' };

/** Erasures that live in memory: our own port, for the behaviour of HTTP alone. */
function setUp(over: Partial<ApiDeps> = {}) {
  const created: Array<Parameters<ApiDeps['erasures']['create']>[0]> = [];
  const failed: string[] = [];
  const started: string[] = [];
  const erasures: ApiDeps['erasures'] = {
    create: async (request) => {
      created.push(request);
    },
    fail: async (erasureId) => {
      failed.push(erasureId);
    },
    list: async () => created.map(summaryOf),
    find: async (erasureId) => {
      const found = created.find((request) => request.erasureId === erasureId);
      return found ? { ...summaryOf(found), report: null, signature: null } : null;
    },
    isHeld: async (organizationId) => organizationId === 'org-held',
  };
  const app = createTestApp({
    erasures,
    erasureControl: {
      start: async ({ erasureId }) => {
        started.push(erasureId);
        return { workflowId: `crm-erasure:${erasureId}` };
      },
    },
    ...over,
  });
  const post = (json: unknown) => app.request('POST', `${PREFIX}/erasures`, { json, headers: { 'x-operator': 'ann' } });
  return { ...app, created, failed, started, post };
}

function summaryOf({ erasureId, subject, action, reason, requestedBy }: Parameters<ApiDeps['erasures']['create']>[0]) {
  const running = { status: 'running', failure: null, finishedAt: null } as const;
  const requestedAt = '2026-01-01T00:00:00.000Z';
  return { erasureId, subjectKind: subject.kind, action, reason, requestedBy, requestedAt, ...running } satisfies Omit<
    Erasure,
    'report' | 'signature'
  >;
}

describe('asking for an erasure', () => {
  it('keeps who is meant to PostgreSQL, starts a workflow by id, and logs who asked', async () => {
    const { post, created, started, request, logger } = setUp();
    const response = await post(BY_EMAIL);
    expect(response.status).toBe(202);
    const { erasureId } = (await response.json()) as { erasureId: string };
    expect(created).toEqual([
      {
        erasureId,
        subject: { kind: 'email', email: EMAIL },
        action: 'delete',
        reason: 'Asked to by letter',
        requestedBy: 'ann',
      },
    ]);
    expect(started).toEqual([erasureId]);
    const list = await (await request('GET', `${PREFIX}/erasures`, { headers: { 'x-operator': 'bob' } })).text();
    const one = await (await request('GET', `${PREFIX}/erasures/${erasureId}`)).text();
    expect(JSON.parse(one)).toMatchObject({ erasureId, subjectKind: 'email', report: null });
    const log = JSON.stringify(logger.lines);
    for (const line of ['erasure requested', 'erasures listed', 'erasure looked at', '"by":"ann"', '"by":"bob"']) {
      expect(log).toContain(line);
    }
    expect(list + one + log).not.toContain('canary');
  });

  it.each([
    [
      { entity: 'lead', ids: ['1'] },
      { kind: 'records', entity: 'lead', ids: ['1'], organizationId: null },
    ],
    [
      { entity: 'contact', ids: ['1', '2'], organizationId: 'org-1' },
      { kind: 'records', entity: 'contact', ids: ['1', '2'], organizationId: 'org-1' },
    ],
    [{ organizationId: 'org-1' }, { kind: 'organization', organizationId: 'org-1' }],
  ])('takes %j', async (subject, kept) => {
    const { post, created } = setUp();
    expect((await post({ ...BY_EMAIL, subject })).status).toBe(202);
    expect(created).toMatchObject([{ subject: kept }]);
  });

  it.each([
    ['an address that is none', { subject: { email: 'canary' } }],
    ['two subjects at once', { subject: { email: EMAIL, organizationId: 'org-1' } }],
    ['ids of nothing', { subject: { ids: ['canary'] } }],
    ['no ids', { subject: { entity: 'lead', ids: [] } }],
    ['an unknown action', { action: 'forget' }],
    ['an organization to be pseudonymized', { subject: { organizationId: 'canary' }, action: 'pseudonymize' }],
    ['a deal to be pseudonymized', { subject: { entity: 'opportunity', ids: ['1'] }, action: 'pseudonymize' }],
    ['no reason', { reason: undefined }],
    ['a reason with the address', { reason: `because of ${EMAIL}` }],
    ['a reason with the id', { subject: { entity: 'lead', ids: ['canary-1'] }, reason: 'canary-1 asked' }],
  ])('refuses %s, and does not repeat it', async (_, over) => {
    const { post, created } = setUp();
    const response = await post({ ...BY_EMAIL, ...over });
    expect(response.status).toBe(400);
    expect(await response.text()).not.toContain('canary');
    expect(created).toEqual([]);
  });

  it('is refused without a key, and says what to configure', async () => {
    const { post, created } = setUp({ canErase: false });
    const response = await post(BY_EMAIL);
    expect(response.status).toBe(409);
    expect(await response.text()).toContain('ERASURE_KEY_FILE');
    expect(created).toEqual([]);
  });

  it.each([{ organizationId: 'org-held' }, { entity: 'lead', ids: ['1'], organizationId: 'org-held' }])(
    'is refused while a legal hold keeps the organization of %j',
    async (subject) => {
      const { post, created } = setUp();
      const response = await post({ ...BY_EMAIL, subject });
      expect(response.status).toBe(409);
      expect(await response.text()).toContain('legal hold');
      expect(created).toEqual([]);
    },
  );

  it('forgets whom it was about when it can not be started', async () => {
    const { post, created, failed } = setUp({
      erasureControl: {
        start: async () => {
          throw new ControlUnavailableError('Temporal is away');
        },
      },
    });
    expect((await post(BY_EMAIL)).status).toBe(503);
    expect(failed).toEqual(created.map(({ erasureId }) => erasureId));
  });
});

it('an erasure that is not known is not found', async () => {
  const { request } = setUp();
  const response = await request('GET', `${PREFIX}/erasures/0190d5f0-0000-7000-8000-000000000001`);
  expect(response.status).toBe(404);
});
