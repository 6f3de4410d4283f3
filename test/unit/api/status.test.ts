import { describe, expect, it } from 'vitest';
import type { ApiDeps } from '../../../api/ports.ts';
import { StatusSchema } from '../../../api/routes/status.ts';
import { NO_TOTALS } from '../../../workflows/contracts.ts';
import { createMemoryStreams, createTestApp, PREFIX } from './app-under-test.ts';

type Position = Awaited<ReturnType<ApiDeps['positions']>>[number];

const UPDATED = '2026-01-01T00:00:10.000Z';

function position(partition: number, nextOffset: number, lastRecordTimestamp: number | null): Position {
  return { topic: 'crm.leads', partition, nextOffset, owner: 'w', updatedAt: UPDATED, lastRecordTimestamp };
}

function bound(partition: number, end: number) {
  return { topic: 'crm.leads', partition, earliest: 0, end, topicId: null };
}

const unreachable = async (): Promise<never> => {
  throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' });
};

async function statusOf(overrides: Partial<ApiDeps>, prepare?: (test: ReturnType<typeof createTestApp>) => void) {
  const test = createTestApp(overrides);
  await test.request('POST', `${PREFIX}/start`);
  prepare?.(test);
  const response = await test.request('GET', `${PREFIX}/status`);
  expect(response.status).toBe(200);
  return StatusSchema.parse(await response.json());
}

describe('status', () => {
  it('tells what it is before the first start', async () => {
    const { request } = createTestApp();
    expect(await (await request('GET', `${PREFIX}/status`)).json()).toEqual({
      consumerGroup: 'group',
      workflowId: 'crm-ingestion:group',
      phase: 'never-started',
      ingestionId: null,
      startedAt: null,
      lanes: [],
      partitions: [],
      lag: { events: 0, seconds: 0 },
      lastError: null,
      causes: [],
      problem: null,
      notes: [],
    });
  });

  it('puts the lag of each partition together', async () => {
    const status = await statusOf({
      positions: async () => [position(0, 70, Date.now() - 60_000), position(1, 50, 1)],
      bounds: async () => [bound(0, 100), bound(1, 50)],
    });
    expect(status.partitions).toMatchObject([
      { partition: 0, position: 70, end: 100, lagEvents: 30, committedAt: UPDATED },
      { partition: 1, position: 50, end: 50, lagEvents: 0, lagSeconds: 0 },
    ]);
    expect(status.lag.seconds).toBeGreaterThanOrEqual(60);
    expect(status.lag).toEqual({ events: 30, seconds: status.partitions?.[0]?.lagSeconds });
  });

  it('does not invent an age before the first record', async () => {
    const status = await statusOf({
      positions: async () => [position(0, 0, null)],
      bounds: async () => [bound(0, 5)],
    });
    expect(status.partitions).toMatchObject([{ lagEvents: 5, lagSeconds: null }]);
    expect(status.lag).toEqual({ events: 5, seconds: null });
  });

  it('is never negative, though the end was asked for after the position', async () => {
    const status = await statusOf({
      positions: async () => [position(0, 12, 1)],
      bounds: async () => [bound(0, 10)],
    });
    expect(status.lag).toEqual({ events: 0, seconds: 0 });
  });

  it('shows lanes with their worker and trouble, and who reads what', async () => {
    const status = await statusOf({ bounds: async () => [bound(2, 5)] }, ({ control }) => {
      control.state.partitions = [{ topic: 'crm.leads', partition: 2 }];
      control.state.lastError = 'offset out of range';
      control.lanes.push({
        lane: 1,
        partitions: [{ topic: 'crm.leads', partition: 2 }],
        phase: 'running',
        attempt: 3,
        nextAttemptAt: null,
        progress: { lane: 1, worker: 'host-1', totals: NO_TOTALS, watermarks: [], trouble: 'registry' },
        lastError: null,
      });
    });
    expect(status.lanes).toEqual([
      {
        lane: 1,
        phase: 'running',
        worker: 'host-1',
        partitions: [{ topic: 'crm.leads', partition: 2 }],
        attempt: 3,
        nextAttemptAt: null,
        trouble: 'registry',
        lastError: null,
      },
    ]);
    expect(status.lastError).toBe('offset out of range');
    // Read by a lane, but without a position yet.
    expect(status.partitions).toMatchObject([{ partition: 2, lane: 1, position: null, end: 5, lagEvents: null }]);
    expect(status.lag).toEqual({ events: null, seconds: null });
  });

  it('lists partitions once, by topic and number', async () => {
    const status = await statusOf({ positions: async () => [position(10, 1, 1), position(9, 1, 1)] }, ({ control }) => {
      control.state.partitions = [
        { topic: 'crm.leads', partition: 9 },
        { topic: 'crm.contacts', partition: 11 },
      ];
    });
    expect(status.partitions?.map((at) => `${at.topic} ${at.partition}`)).toEqual([
      'crm.contacts 11',
      'crm.leads 9',
      'crm.leads 10',
    ]);
  });

  it('goes without the ends while Kafka is down', async () => {
    const status = await statusOf({ positions: async () => [position(0, 7, 1)], bounds: unreachable });
    expect(status.partitions).toMatchObject([{ position: 7, end: null, lagEvents: null, lagSeconds: null }]);
    expect(status.notes).toEqual([expect.stringContaining('Kafka')]);
  });

  it('goes without the positions while PostgreSQL is down', async () => {
    const status = await statusOf({ positions: unreachable });
    expect(status.partitions).toBeNull();
    expect(status.notes).toEqual([expect.stringContaining('PostgreSQL')]);
    expect(JSON.stringify(status)).not.toContain('10.0.0.1');
  });
});

describe('what keeps events from being stored', () => {
  it('is told apart by its cause', async () => {
    const stream = {
      topic: 'crm.leads',
      reason: '60 of the last 100 events failed for good',
      changedBy: null,
      changedAt: UPDATED,
      parked: { ranges: 1, records: 40 },
    };
    const status = await statusOf(
      {
        counters: { totals: async () => ({ processed: 1, skipped: 0, conflicts: 0, filtered: 0, failed: 2, dead: 3 }) },
        streams: createMemoryStreams([
          { ...stream, schemaId: 7, state: 'tripped' },
          { ...stream, schemaId: 8, state: 'schema_unknown' },
          { ...stream, schemaId: 9, state: 'let_through' },
        ]),
      },
      ({ control }) => {
        const progress = {
          lane: 0,
          worker: 'w',
          totals: NO_TOTALS,
          watermarks: [],
          trouble: 'PostgreSQL is in trouble (53100)',
        };
        control.lanes.push({
          lane: 0,
          partitions: [],
          phase: 'running',
          attempt: 1,
          nextAttemptAt: null,
          progress,
          lastError: null,
        });
      },
    );
    expect(status.causes.map(({ cause, lane, schemaId, events }) => ({ cause, lane, schemaId, events }))).toEqual([
      { cause: 'server', lane: 0 },
      { cause: 'row', events: 2 },
      { cause: 'row', events: 3 },
      { cause: 'breaker', schemaId: 7, events: 40 },
      { cause: 'schema_unknown', schemaId: 8, events: 40 },
    ]);
  });
});
