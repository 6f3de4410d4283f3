import { describe, expect, it } from 'vitest';
import type { Batch, Delivery, LogRecord } from '../../../activities/ports.ts';
import { createPatientQuotaGate, createQuotaGate } from '../../../activities/quota-gate.ts';
import { createQuotaRules } from '../../../activities/quota-rules.ts';

const record = (offset: number): LogRecord => ({
  offset,
  timestamp: 0,
  key: null,
  value: Buffer.from('x'),
  headers: [],
});

/** Events that failed are as good as others: it is about whose they are. */
const rejected = (offset: number, organizationId?: string): Delivery => ({
  kind: 'rejected',
  slice: 0,
  record: record(offset),
  rejection: { code: 'missing_field', detail: 'x' },
  schemaId: 7,
  event: organizationId === undefined ? {} : { organizationId },
});

const batchOf = (deliveries: Delivery[]): Batch => ({
  runId: '0190d5f0-0000-7000-8000-000000000001',
  mode: 'ingest',
  suppression: 0,
  slices: [{ range: { topic: 'crm.leads', partition: 0 } } as unknown as Batch['slices'][number]],
  deliveries,
});

/** Buckets that hold so much, and are filled by the test. */
function buckets(left: Record<string, number>) {
  const asked: Array<Record<string, number>> = [];
  return {
    asked,
    fill: (organizationId: string, events: number) => {
      left[organizationId] = (left[organizationId] ?? 0) + events;
    },
    take: async (wanted: ReadonlyMap<string, number>) => {
      asked.push(Object.fromEntries(wanted));
      return new Map(
        [...wanted].map(([organizationId, count]) => {
          const given = Math.min(count, left[organizationId] ?? 0);
          left[organizationId] = (left[organizationId] ?? 0) - given;
          return [organizationId, given];
        }),
      );
    },
  };
}

async function rulesOf(quotas: Array<[string | null, number]>) {
  const list = async () =>
    quotas.map(([organizationId, eventsPerSecond]) => ({
      organizationId,
      eventsPerSecond,
      changedBy: 'ann',
      changedAt: '',
    }));
  const rules = createQuotaRules({ list }, () => 0);
  await rules.refresh();
  return rules;
}

const never = new AbortController().signal;

describe('the gate of live reading', () => {
  it('parks what a bucket does not hold, the later records, and lets everybody else through', async () => {
    const quotas = buckets({ big: 2 });
    const incidents: string[] = [];
    const gate = createQuotaGate({
      rules: await rulesOf([['big', 10]]),
      quotas,
      observer: { incident: (kind, { organizationId }) => incidents.push(`${kind} ${organizationId}`) },
      now: () => 0,
    });
    const batch = batchOf([
      rejected(0, 'big'),
      rejected(1, 'small'),
      rejected(2, 'big'),
      rejected(3, 'big'),
      rejected(4),
      { kind: 'tombstone', slice: 0, record: record(5) },
      rejected(6, 'big'),
    ]);
    await gate.judge(batch, never);
    expect(quotas.asked).toEqual([{ big: 4 }]);
    expect(batch.deliveries.map(({ kind }) => kind)).toEqual([
      'rejected',
      'rejected',
      'rejected',
      'parked',
      'rejected',
      'tombstone',
      'parked',
    ]);
    expect(batch.deliveries[3]).toMatchObject({ reason: 'over_quota', organizationId: 'big', schemaId: 7 });
    expect(incidents).toEqual(['over_quota big']);
  });

  it('holds those without a quota of their own to the common one, each alone', async () => {
    const quotas = buckets({ a: 1, b: 1, own: 5 });
    const gate = createQuotaGate({
      rules: await rulesOf([
        [null, 1],
        ['own', 5],
      ]),
      quotas,
      observer: { incident: () => {} },
      now: () => 0,
    });
    const batch = batchOf(['a', 'b', 'own', 'a', 'own'].map((organization, index) => rejected(index, organization)));
    await gate.judge(batch, never);
    expect(batch.deliveries.filter(({ kind }) => kind === 'parked').map(({ record }) => record.offset)).toEqual([3]);
  });

  it('asks nobody while there is no quota for anyone in the batch', async () => {
    const quotas = buckets({});
    const gate = createQuotaGate({
      rules: await rulesOf([['other', 1]]),
      quotas,
      observer: { incident: () => {} },
      now: () => 0,
    });
    await gate.judge(batchOf([rejected(0, 'org'), rejected(1)]), never);
    expect(quotas.asked).toEqual([]);
    expect((await rulesOf([])).any()).toBe(false);
  });
});

describe('the gate of ranges that are read again', () => {
  it('waits until there is room for the whole batch, and parks nothing', async () => {
    const quotas = buckets({ big: 2 });
    const gate = createPatientQuotaGate({ rules: await rulesOf([['big', 1]]), quotas });
    const batch = batchOf([0, 1, 2].map((offset) => rejected(offset, 'big')));
    const judged = gate.judge(batch, never);
    quotas.fill('big', 1);
    await judged;
    expect(quotas.asked).toEqual([{ big: 3 }, { big: 1 }]);
    expect(batch.deliveries.every(({ kind }) => kind === 'rejected')).toBe(true);
  });

  it('ends with its lane', async () => {
    const gate = createPatientQuotaGate({ rules: await rulesOf([['big', 1]]), quotas: buckets({}) });
    const abort = new AbortController();
    const judged = gate.judge(batchOf([rejected(0, 'big')]), abort.signal);
    abort.abort();
    await expect(judged).rejects.toMatchObject({ name: 'AbortError' });
  });
});
