import { describe, expect, it } from 'vitest';
import { createTestApp, PREFIX } from './app-under-test.ts';

const QUOTAS = `${PREFIX}/quotas`;

function createApi() {
  const { request } = createTestApp();
  const put = (json: unknown) => request('PUT', QUOTAS, { json, headers: { 'x-operator': 'ann' } });
  return { request, put, list: async () => (await request('GET', QUOTAS)).json() };
}

describe('quotas', () => {
  it('are set, listed, changed and removed', async () => {
    const { request, put, list } = createApi();
    expect(await (await put({ organizationId: 'org-1', eventsPerSecond: 100 })).json()).toMatchObject({
      organizationId: 'org-1',
      eventsPerSecond: 100,
      changedBy: 'ann',
    });
    await put({ eventsPerSecond: 5_000 });
    await put({ organizationId: 'org-1', eventsPerSecond: 200 });
    expect(await list()).toMatchObject({
      quotas: [
        { organizationId: 'org-1', eventsPerSecond: 200 },
        { organizationId: null, eventsPerSecond: 5_000 },
      ],
      over: [],
    });
    expect((await request('DELETE', `${QUOTAS}/org-1`)).status).toBe(200);
    expect((await request('DELETE', QUOTAS)).status).toBe(200);
    expect(await list()).toEqual({ quotas: [], over: [] });
    expect((await request('DELETE', QUOTAS)).status).toBe(404);
    expect((await request('DELETE', `${QUOTAS}/org-1`)).status).toBe(404);
  });

  it.each([
    {},
    { eventsPerSecond: 0 },
    { eventsPerSecond: 1.5 },
    { eventsPerSecond: '5' },
    { eventsPerSecond: 2e6 },
    {
      eventsPerSecond: 5,
      organizationId: '',
    },
    { eventsPerSecond: 5, organization: 'org-1' },
  ])('refuse %j', async (body) => {
    const { put, list } = createApi();
    expect((await put(body)).status).toBe(400);
    expect(await list()).toEqual({ quotas: [], over: [] });
  });
});
