import { describe, expect, it } from 'vitest';
import { createTestApp, PREFIX } from './app-under-test.ts';

describe('key metrics', () => {
  it('are those of the documentation', async () => {
    const { request, metrics } = createTestApp({
      counters: { totals: async () => ({ processed: 9, skipped: 4, conflicts: 1, filtered: 2, failed: 3, dead: 5 }) },
      queue: { depth: async () => ({ waiting: 1, delayed: 2, active: 3, failed: 4 }) },
    });
    for (const seconds of [0.02, 0.02, 0.02]) metrics.produceToCommitSeconds.observe(seconds);
    const response = await request('GET', `${PREFIX}/metrics`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      consumerGroup: 'group',
      eventsProcessed: 9,
      eventsSkipped: 4,
      eventsConflicting: 1,
      eventsFiltered: 2,
      processingErrors: 8,
      eventsFailed: 3,
      eventsDead: 5,
      processingTime: { p50Ms: expect.closeTo(17.5), p99Ms: expect.closeTo(20, 0), meanMs: 20, events: 3 },
      queueDepth: { total: 6, waiting: 1, delayed: 2, active: 3, failed: 4 },
      notes: [],
    });
  });

  it('have no processing time in a process that runs no lanes', async () => {
    const { request } = createTestApp();
    expect(await (await request('GET', `${PREFIX}/metrics`)).json()).toMatchObject({ processingTime: null });
  });

  it('go without what can not be asked', async () => {
    const fail = async (): Promise<never> => {
      throw new Error('down at 10.0.0.1');
    };
    const { request, logger } = createTestApp({ counters: { totals: fail }, queue: { depth: fail } });
    const response = await request('GET', `${PREFIX}/metrics`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      eventsProcessed: null,
      processingErrors: null,
      queueDepth: null,
      notes: [expect.stringContaining('PostgreSQL'), expect.stringContaining('Redis')],
    });
    expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(2);
  });
});

describe('Prometheus metrics', () => {
  it('are in its text format', async () => {
    const { request } = createTestApp();
    const response = await request('GET', '/metrics');
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toContain('# TYPE crm_events_total counter');
  });

  it('time requests by the pattern of their route, whatever the path', async () => {
    const { request } = createTestApp();
    await request('GET', '/health/live');
    await request('GET', '/no/such/path?email=ann@example.com');
    await request('DELETE', '/health/live');
    await request('GET', `${PREFIX}/dead-letters/export?status=nonsense`);
    await request('GET', `${PREFIX}/dead-letters/nonsense`);
    const text = await (await request('GET', '/metrics')).text();
    const counts = text.split('\n').filter((line) => line.startsWith('crm_http_request_seconds_count'));
    expect(counts.sort()).toEqual([
      'crm_http_request_seconds_count{method="DELETE",route="unmatched",status="405"} 1',
      `crm_http_request_seconds_count{method="GET",route="${PREFIX}/dead-letters/:id",status="400"} 1`,
      `crm_http_request_seconds_count{method="GET",route="${PREFIX}/dead-letters/export",status="400"} 1`,
      'crm_http_request_seconds_count{method="GET",route="/health/live",status="200"} 1',
      'crm_http_request_seconds_count{method="GET",route="unmatched",status="404"} 1',
    ]);
  });
});
