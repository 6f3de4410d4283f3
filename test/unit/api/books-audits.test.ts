import { describe, expect, it } from 'vitest';
import type { Audit } from '../../../activities/audit-ports.ts';
import type { AuditInput } from '../../../workflows/contracts.ts';
import { ControlUnavailableError } from '../../../workflows/control-port.ts';
import { createTestApp, PREFIX } from './app-under-test.ts';

/** Audits that live in memory: our own port, for the behaviour of HTTP alone. */
function memoryAudits(start: (input: AuditInput) => void = () => {}) {
  const known = new Map<string, Audit>();
  const started: AuditInput[] = [];
  return {
    known,
    started,
    audits: {
      create: async ({ auditId, request, requestedBy }: Pick<Audit, 'auditId' | 'request' | 'requestedBy'>) => {
        const requestedAt = '2026-01-01T00:00:00.000Z';
        const open = { status: 'running' as const, finishedAt: null, report: null, signature: null };
        known.set(auditId, { auditId, request, requestedBy, requestedAt, ...open });
      },
      fail: async (auditId: string) => {
        known.set(auditId, { ...(known.get(auditId) as Audit), status: 'failed' });
      },
      list: async () => [...known.values()].map(({ report: _, signature: __, ...summary }) => summary),
      find: async (auditId: string) => known.get(auditId) ?? null,
    },
    auditControl: {
      start: async (input: AuditInput) => {
        start(input);
        started.push(input);
        return { workflowId: 'w' };
      },
    },
  };
}

describe('asking for an audit', () => {
  it('keeps the request with who asked, and starts a workflow that is told the id alone', async () => {
    const memory = memoryAudits();
    const { request, app } = createTestApp(memory);

    const response = await request('POST', `${PREFIX}/audits`, {
      json: { topic: 'crm.leads', partition: 1, from: 5, to: 9, recount: true },
      headers: { 'x-operator': 'ada' },
    });

    expect(response.status).toBe(202);
    const { auditId } = (await response.json()) as { auditId: string };
    expect(memory.started).toEqual([{ auditId, consumerGroup: 'group' }]);
    const found = await app.request(`${PREFIX}/audits/${auditId}`);
    expect(await found.json()).toMatchObject({
      auditId,
      status: 'running',
      requestedBy: 'ada',
      request: { topic: 'crm.leads', partition: 1, from: 5, to: 9, recount: true },
      report: null,
      signature: null,
    });
    const list = (await (await request('GET', `${PREFIX}/audits`)).json()) as { audits: unknown[] };
    expect(list.audits).toHaveLength(1);
  });

  it('is about everything, without a recount, unless it says more', async () => {
    const memory = memoryAudits();
    const { request } = createTestApp(memory);
    expect((await request('POST', `${PREFIX}/audits`, { json: {} })).status).toBe(202);
    expect([...memory.known.values()].map((audit) => audit.request)).toEqual([{ recount: false }]);
  });

  it('leaves none behind that runs for ever when Temporal is away', async () => {
    const memory = memoryAudits(() => {
      throw new ControlUnavailableError('away');
    });
    const { request } = createTestApp(memory);
    expect((await request('POST', `${PREFIX}/audits`, { json: {} })).status).toBe(503);
    expect([...memory.known.values()].map(({ status }) => status)).toEqual(['failed']);
  });

  it.each([
    ['a partition without a topic', { partition: 1 }],
    ['offsets without a partition', { topic: 'crm.leads', from: 1 }],
    ['an end without a partition', { topic: 'crm.leads', to: 1 }],
    ['an empty range', { topic: 'crm.leads', partition: 0, from: 5, to: 5 }],
    ['a field that there is not', { everything: true }],
  ])('is refused for %s', async (_, json) => {
    const memory = memoryAudits();
    const { request } = createTestApp(memory);
    expect((await request('POST', `${PREFIX}/audits`, { json })).status).toBe(400);
    expect(memory.known.size).toBe(0);
  });
});

describe('an audit that nobody asked for', () => {
  it('is not found', async () => {
    const { app } = createTestApp();
    const response = await app.request(`${PREFIX}/audits/0190d5f0-0000-7000-8000-000000000001`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ type: '/docs#problem-unknown-audit' });
  });

  it('has no id that is none', async () => {
    const { app } = createTestApp();
    expect((await app.request(`${PREFIX}/audits/1`)).status).toBe(400);
  });
});
