import { createHash } from 'node:crypto';
import { setImmediate as soon } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { WholeDeadLetter } from '../../activities/dead-letter-ports.ts';
import { openAuditedApp } from './audit-log-harness.ts';

const ROUTES = '/api/v1/crm-ingestion';
const PROBLEM = { type: '/docs#problem-audit-unavailable', status: 503 };

/** A failed event as the store has it. */
const LETTER: WholeDeadLetter = {
  ...{ failedId: 17, status: 'dead', topic: 'crm.leads', partition: 0, offset: 1, version: '1' },
  ...{ errorCode: 'undecodable', errorDetail: 'cut off', field: null, sqlstate: null, eventId: 'secret@example.com' },
  ...{ eventType: null, organizationId: 'org-1', schemaId: null, fingerprint: 'f', attempts: 0, redrives: 0 },
  ...{ nextAttemptAt: null, settledAs: null, createdAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:00Z' },
  ...{ errors: [], recordTimestamp: 0, key: null, value: null, headers: [], correction: null, correctedBy: null },
  ...{ correctedAt: null, unreadable: null, discardReason: null, discardedBy: null, settledAt: null },
};

async function withLetter() {
  const { deadLetters } = letters();
  return openAuditedApp({ deadLetters });
}

function letters() {
  return {
    deadLetters: {
      list: async () => [LETTER],
      listWhole: async (_search: unknown, { before }: { before: number | null }) => (before === null ? [LETTER] : []),
      get: async () => LETTER,
      groups: async () => [],
      summary: async () => ({ statuses: [], errorCodes: [], organizations: [] }),
      correct: async () => 'unknown' as const,
      discard: async () => 'unknown' as const,
    },
  };
}

describe('a change', () => {
  it('is recorded before it is made, and once more with its outcome', async () => {
    const app = await openAuditedApp();
    const { start } = app.control;
    let before = 0;
    app.control.start = async () => {
      before = (await app.entries()).length;
      return start();
    };
    const answered = await app.ask({ name: 'bob' }, 'POST', '/start', {});
    expect(answered.status).toBe(202);
    expect(before).toBe(1);
    const [attempt, outcome] = await app.entries();
    const same = {
      principal: 'bob',
      principalKind: 'token',
      permission: 'ingestion:start',
      method: 'POST',
      route: `${ROUTES}/start`,
      subject: {},
      organizations: null,
      requestId: answered.headers.get('x-request-id'),
      clientAddress: '192.0.2.7',
    };
    expect(attempt).toMatchObject({ ...same, kind: 'attempt', outcome: 'pending', status: null });
    expect(outcome).toMatchObject({
      ...same,
      kind: 'outcome',
      outcome: 'done',
      status: 202,
      actionId: attempt!.actionId,
    });
    expect(await app.verify()).toMatchObject({ broken: null });
  });

  it('that is rejected, refused or fails says so', async () => {
    const app = await openAuditedApp();
    app.control.resume = async () => {
      throw new Error('a defect');
    };
    await app.ask({}, 'POST', '/pause');
    await app.ask({ roles: ['viewer'] }, 'POST', '/pause');
    await app.ask({}, 'POST', '/resume');
    await app.ask({}, 'PUT', '/lanes', { lanes: 'many' });
    const outcomes = (await app.entries()).filter(({ kind }) => kind === 'outcome');
    expect(outcomes.map(({ outcome, status, problem }) => [outcome, status, problem])).toEqual([
      ['rejected', 409, 'not-running'],
      ['refused', 403, 'forbidden'],
      ['failed', 500, 'internal'],
      ['rejected', 400, 'invalid-request'],
    ]);
  });

  it('is not made when it can not be recorded', async () => {
    const app = await openAuditedApp();
    let started = 0;
    const { start } = app.control;
    app.control.start = async () => {
      started += 1;
      return start();
    };
    await app.breakLog(async () => {
      const refused = await app.ask({}, 'POST', '/start', {});
      expect(await refused.json()).toMatchObject(PROBLEM);
    });
    expect(started).toBe(0);
    expect((await app.ask({}, 'POST', '/start', {})).status).toBe(202);
    expect(started).toBe(1);
  });

  it('whose process ends before its outcome leaves the attempt, which audit:verify tells', async () => {
    const app = await openAuditedApp();
    const begun = Promise.withResolvers<void>();
    app.control.start = () => {
      begun.resolve();
      return new Promise(() => {});
    };
    void app.ask({}, 'POST', '/start', {});
    await begun.promise;
    await soon();
    expect(await app.entries()).toMatchObject([{ kind: 'attempt', outcome: 'pending' }]);
    expect(await app.verify()).toEqual({
      broken: null,
      notes: [expect.anything(), expect.stringContaining('1 attempts have no outcome (the last ones: 1)')],
    });
  });

  it('whose outcome can not be recorded is answered as it went', async () => {
    const app = await openAuditedApp();
    const { start } = app.control;
    app.control.start = async () => {
      await app.admin.query('ALTER TABLE analytics.crm_audit_log_head RENAME TO away');
      return start();
    };
    expect((await app.ask({}, 'POST', '/start', {})).status).toBe(202);
    expect(app.logger.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { kind: 'outcome', route: `${ROUTES}/start` } },
    ]);
    await app.admin.query('ALTER TABLE analytics.away RENAME TO crm_audit_log_head');
    expect(await app.entries()).toMatchObject([{ kind: 'attempt' }]);
  });

  it('by the board is one as well, and what nobody handles is none', async () => {
    const app = await openAuditedApp();
    await app.ask({}, 'POST', '/board/api/queues/q/failed-17-2/retry');
    await app.ask({}, 'POST', '/no-such-thing');
    await app.ask({}, 'PUT', '/status');
    expect(await app.entries()).toMatchObject([
      { kind: 'attempt', route: `${ROUTES}/board/*`, subject: { job: 'failed-17-2', change: 'retry' } },
      { kind: 'outcome', permission: 'deadletter:redrive' },
    ]);
  });
});

describe('what is seen', () => {
  it('is recorded when personal data is shown, and not when it is masked', async () => {
    const app = await withLetter();
    expect(await (await app.ask({ roles: ['operator'] }, 'GET', '/dead-letters/17')).json()).toMatchObject({
      masked: true,
    });
    await app.ask({ roles: ['operator'] }, 'GET', '/dead-letters');
    await app.ask({}, 'GET', '/status');
    expect(await app.entries()).toEqual([]);
    const shown = await app.ask({}, 'GET', '/dead-letters/17');
    expect(await shown.json()).toMatchObject({ masked: false });
    await app.ask({}, 'GET', '/dead-letters');
    expect(await app.entries()).toMatchObject([
      { kind: 'read', outcome: 'done', route: `${ROUTES}/dead-letters/:id`, subject: { id: '17' }, status: 200 },
      { kind: 'read', route: `${ROUTES}/dead-letters`, permission: 'deadletter:read' },
    ]);
  });

  it('of exports and of the log itself always is', async () => {
    const app = await withLetter();
    const exported = await app.ask({ roles: ['operator'] }, 'GET', '/dead-letters/export');
    expect((await exported.text()).trim().split('\n')).toHaveLength(1);
    await app.ask({}, 'GET', '/audit-log');
    await (await app.ask({}, 'GET', '/audit-log/export')).text();
    expect((await app.entries()).map(({ kind, route }) => [kind, route])).toEqual([
      ['read', `${ROUTES}/dead-letters/export`],
      ['read', `${ROUTES}/audit-log`],
      ['read', `${ROUTES}/audit-log/export`],
    ]);
  });

  it('is recorded when it was refused', async () => {
    const app = await openAuditedApp();
    expect((await app.ask({ roles: ['viewer'] }, 'GET', '/audit-log')).status).toBe(403);
    expect(await app.entries()).toMatchObject([
      { kind: 'refusal', outcome: 'refused', status: 403, problem: 'forbidden', permission: 'audit:read' },
    ]);
  });

  it('is not shown when it can not be recorded, while masked data is', async () => {
    const app = await withLetter();
    await app.breakLog(async () => {
      const refused = await app.ask({}, 'GET', '/dead-letters/17');
      const text = await refused.text();
      expect(JSON.parse(text)).toMatchObject(PROBLEM);
      expect(refused.headers.get('content-type')).toBe('application/problem+json');
      expect([text, refused.headers.get('etag')]).toEqual([expect.not.stringContaining('example.com'), null]);
      expect((await app.ask({}, 'GET', '/dead-letters/export')).status).toBe(503);
      expect((await app.ask({ roles: ['operator'] }, 'GET', '/dead-letters/17')).status).toBe(200);
    });
  });
});

describe('requests that nobody is known for', () => {
  it('are counted for each address, status and problem', async () => {
    const app = await openAuditedApp();
    const nobody = (headers: Record<string, string> = {}) => app.request('POST', `${ROUTES}/start`, {}, headers);
    for (let n = 0; n < 30; n += 1) expect((await nobody()).status).toBe(401);
    expect((await nobody({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect(await app.entries()).toEqual([]);
    await app.unidentified.flush();
    const same = { kind: 'unidentified', principal: null, route: null, requestId: null, clientAddress: '192.0.2.7' };
    expect(await app.entries()).toMatchObject([
      { ...same, status: 401, problem: 'unauthorized', occurrences: 30, subject: { since: expect.any(String) } },
      { ...same, status: 403, problem: 'forbidden', occurrences: 1 },
    ]);
    await app.unidentified.flush();
    expect(await app.entries()).toHaveLength(2);
  });

  it('wait for the next time when they can not be written', async () => {
    const app = await openAuditedApp();
    await app.request('POST', `${ROUTES}/start`, {});
    await app.breakLog(() => app.unidentified.flush());
    await app.request('POST', `${ROUTES}/start`, {});
    await app.unidentified.close();
    expect(await app.entries()).toMatchObject([{ occurrences: 2 }]);
  });
});

it('personal data of a request is nowhere in the log', async () => {
  const app = await withLetter();
  const canary = 'ada.lovelace@example.com';
  const headers = { 'x-request-id': canary, 'user-agent': canary, 'if-match': canary, referer: `https://${canary}` };
  const encoded = encodeURIComponent(canary);
  const subject = { email: canary };
  await app.ask({}, 'POST', '/erasures', { subject, action: 'delete', reason: 'Ada Lovelace asked' }, headers);
  await app.ask({}, 'POST', `/enqueue?organizationId=${encoded}`, { [canary]: canary }, headers);
  await app.ask({}, 'GET', `/dead-letters?organizationId=${encoded}`, undefined, headers);
  await app.ask({}, 'GET', `/leads/${encoded}/history`, undefined, headers);
  await app.ask({ roles: ['viewer'] }, 'DELETE', `/legal-holds/${encoded}`, undefined, headers);
  await app.ask({}, 'DELETE', '/legal-holds/Ada%20Lovelace', undefined, headers);
  await app.ask({ roles: [] }, 'GET', `/leads/${encoded}/history?organizationId=Lovelace`, undefined, headers);
  await app.unidentified.flush();
  const text = JSON.stringify(await app.entries());
  expect(text).not.toMatch(/lovelace|example\.com/iu);
  // Whoever knows the id finds it.
  expect(text).toContain(`sha256:${createHash('sha256').update(canary).digest('hex').slice(0, 32)}`);
});

it('fifty requests at once make one chain', async () => {
  const app = await openAuditedApp();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => app.ask({ name: `person ${n}` }, 'POST', '/start', {})),
  );
  expect(answers.every(({ status }) => status === 200 || status === 202)).toBe(true);
  expect(await app.verify()).toEqual({ broken: null, notes: [expect.stringContaining('entries 1 to 100')] });
  const entries = await app.entries();
  const outcomes = new Map(entries.filter(({ kind }) => kind === 'outcome').map((entry) => [entry.actionId, entry]));
  for (const attempt of entries.filter(({ kind }) => kind === 'attempt')) {
    const outcome = outcomes.get(attempt.actionId);
    expect(outcome).toMatchObject({ principal: attempt.principal, requestId: attempt.requestId });
    expect(outcome!.sequence).toBeGreaterThan(attempt.sequence);
  }
});

describe('GET /audit-log', () => {
  const page = async (response: Response) =>
    (await response.json()) as { items: Array<Record<string, unknown>>; nextCursor: string | null };

  it('shows what fits a filter in pages, the newest first', async () => {
    const app = await openAuditedApp();
    for (const name of ['ann', 'bob', 'ann', 'bob', 'ann']) await app.ask({ name }, 'POST', '/start', {});
    const first = await page(await app.ask({ name: 'eve' }, 'GET', '/audit-log?principal=ann&limit=4'));
    expect(first.items.map(({ sequence }) => sequence)).toEqual([10, 9, 6, 5]);
    const second = await page(await app.ask({}, 'GET', `/audit-log?principal=ann&limit=4&cursor=${first.nextCursor}`));
    expect(second).toMatchObject({ items: [{ sequence: 2 }, { sequence: 1 }], nextCursor: null });

    const count = async (query: string) => (await page(await app.ask({}, 'GET', `/audit-log?${query}`))).items.length;
    const { actionId, at, requestId } = first.items[0] as Record<string, string>;
    expect(await count(`actionId=${actionId}`)).toBe(2);
    expect(await count(`requestId=${requestId}`)).toBe(2);
    expect(await count('outcome=pending')).toBe(5);
    expect(await count(`kind=outcome&route=${ROUTES}/start`)).toBe(5);
    expect(await count(`to=${encodeURIComponent('2026-01-01T00:00:00+01:00')}`)).toBe(0);
    expect(await count(`from=${at}&principal=ann`)).toBeGreaterThanOrEqual(1);
    expect((await app.ask({}, 'GET', '/audit-log?who=ann')).status).toBe(400);
    expect((await app.ask({}, 'GET', '/audit-log?cursor=x')).status).toBe(400);
  });

  it('shows those who are bound entries of their organizations alone', async () => {
    const app = await openAuditedApp();
    const hold = (organizations: string[] | null, id: string) =>
      app.ask({ organizations }, 'PUT', `/legal-holds/${id}`, { reason: 'a case' });
    await hold(null, 'org-1');
    await hold(null, 'org-2');
    await hold(['org-1', 'org-2'], 'org-1');
    await app.ask({ organizations: ['org-1', 'org-2'] }, 'GET', '/audit-log');
    await app.ask({ organizations: [] }, 'GET', '/audit-log');
    await app.ask({}, 'POST', '/start', {});
    const seen = async (organizations: string[]) =>
      (await page(await app.ask({ organizations }, 'GET', '/audit-log'))).items.map(
        ({ organizations }) => organizations,
      );
    expect(await seen([])).toEqual([]);
    expect(await seen(['org-3'])).toEqual([]);
    expect(await seen(['org-2'])).toEqual([['org-2'], ['org-2']]);
    expect(await seen(['org-1'])).toEqual([['org-1'], ['org-1'], ['org-1'], ['org-1']]);
    const exported = await app.ask({ organizations: ['org-2'] }, 'GET', '/audit-log/export');
    const lines = (await exported.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ organizations }) => organizations)).toEqual([['org-2'], ['org-2'], ['org-2']]);
    const filtered = await app.ask({ organizations: ['org-2'] }, 'GET', '/audit-log?organizationId=org-1');
    expect(filtered.status).toBe(403);
  });

  it('exports all of it, page by page', async () => {
    const app = await openAuditedApp();
    await app.ask({}, 'POST', '/start', {});
    await app.admin.query(`
      INSERT INTO analytics.crm_audit_log SELECT n, at, kind, outcome, action_id, principal, principal_kind, permission,
        method, route, subject, organizations, status, problem, request_id, client_address, occurrences, key_id, hash
      FROM analytics.crm_audit_log, generate_series(3, 2500) n WHERE sequence = 1
    `);
    await app.admin.query('UPDATE analytics.crm_audit_log_head SET sequence = 2500');
    const text = await (await app.ask({}, 'GET', '/audit-log/export')).text();
    const sequences = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).sequence);
    expect(sequences).toEqual(Array.from({ length: 2_500 }, (_, n) => 2_500 - n));
  });
});
