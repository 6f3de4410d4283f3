import { describe, expect, it } from 'vitest';
import { ControlUnavailableError } from '../../../workflows/control-port.ts';
import { createMemoryControl, createTestApp, PREFIX } from './app-under-test.ts';

describe('start', () => {
  it('starts once; a second time says so and changes nothing', async () => {
    const { request } = createTestApp();
    const first = await request('POST', `${PREFIX}/start`);
    expect(first.status).toBe(202);
    expect(await first.json()).toEqual({
      phase: 'running',
      started: true,
      workflowId: 'crm-ingestion:group',
      ingestionId: '0190d5f0-0000-7000-8000-000000000001',
    });
    const second = await request('POST', `${PREFIX}/start`);
    expect(second.status).toBe(200);
    expect(await second.json()).toMatchObject({ phase: 'running', started: false });
  });
});

describe('stop', () => {
  it('stops, and then has nothing to stop', async () => {
    const { request } = createTestApp();
    await request('POST', `${PREFIX}/start`);
    expect(await (await request('POST', `${PREFIX}/stop`)).json()).toMatchObject({ phase: 'stopped' });
    const again = await request('POST', `${PREFIX}/stop`);
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual({ phase: 'stopped', message: 'No ingestion was running.' });
  });

  it('is fine before the first start', async () => {
    const { request } = createTestApp();
    expect((await request('POST', `${PREFIX}/stop`)).status).toBe(200);
  });

  it('answers 202 while batches are still committing', async () => {
    const control = { ...createMemoryControl(), stop: async () => ({ stopped: false }) };
    const { request } = createTestApp({ control });
    await request('POST', `${PREFIX}/start`);
    const response = await request('POST', `${PREFIX}/stop`);
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ phase: 'stopping' });
  });
});

describe.each(['pause', 'resume'])('%s', (action) => {
  it('is idempotent while the ingestion runs', async () => {
    const { request } = createTestApp();
    await request('POST', `${PREFIX}/start`);
    for (let time = 0; time < 2; time += 1) {
      const response = await request('POST', `${PREFIX}/${action}`);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ phase: action === 'pause' ? 'paused' : 'running' });
    }
  });

  it('says what to do when nothing runs', async () => {
    const { request } = createTestApp();
    const response = await request('POST', `${PREFIX}/${action}`);
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      type: '/docs#problem-not-running',
      detail: expect.stringContaining(`POST ${PREFIX}/start`),
    });
  });

  it('answers 202 while lanes have not followed yet', async () => {
    const control = createMemoryControl();
    const status = async () => ({ ...(await control.status()), phase: 'pausing' as const });
    const { request } = createTestApp({ control: { ...control, status } });
    await control.start();
    const response = await request('POST', `${PREFIX}/${action}`);
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ phase: 'pausing' });
  });
});

describe('lanes', () => {
  it('are set', async () => {
    const { request } = createTestApp();
    await request('POST', `${PREFIX}/start`);
    const response = await request('PUT', `${PREFIX}/lanes`, { json: { lanes: 4 } });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ lanes: 4 });
  });

  it.each([{}, { lanes: 0 }, { lanes: 1.5 }, { lanes: '4' }, { lanes: 1_001 }, { lanes: 4, extra: true }, []])(
    'refuse %j',
    async (json) => {
      const { request } = createTestApp();
      expect((await request('PUT', `${PREFIX}/lanes`, { json })).status).toBe(400);
    },
  );
});

describe('seek', () => {
  it.each([[0], [1_234], ['earliest'], ['latest']])('takes %j', async (to) => {
    const { request } = createTestApp();
    await request('POST', `${PREFIX}/start`);
    const response = await request('POST', `${PREFIX}/seek`, { json: { topic: 'crm.leads', partition: 0, to } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ topic: 'crm.leads', partition: 0, from: 10 });
  });

  it.each([[-1], [1.5], ['begin'], [null], [2 ** 53]])('refuses %j and names the field', async (to) => {
    const { request } = createTestApp();
    const response = await request('POST', `${PREFIX}/seek`, { json: { topic: 'crm.leads', partition: 0, to } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ path: 'to', message: expect.any(String) }] });
  });

  it('passes on why the control plane refuses', async () => {
    const { request } = createTestApp();
    await request('POST', `${PREFIX}/start`);
    const response = await request('POST', `${PREFIX}/seek`, { json: { topic: 'other', partition: 3, to: 0 } });
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      type: '/docs#problem-refused',
      detail: 'no partition other[3] is read',
    });
  });
});

describe('without Temporal', () => {
  it.each([
    ['POST', 'start'],
    ['POST', 'stop'],
    ['POST', 'pause'],
    ['POST', 'resume'],
    ['GET', 'status'],
  ])('%s /%s answers 503 with when to try again, and nothing of the inside', async (method, path) => {
    const fail = async () => {
      throw new ControlUnavailableError('14 UNAVAILABLE: connect ECONNREFUSED 10.0.0.1:7233');
    };
    const control = { start: fail, stop: fail, pause: fail, resume: fail, setLanes: fail, seek: fail, status: fail };
    const { request } = createTestApp({ control });
    const response = await request(method, `${PREFIX}/${path}`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ type: '/docs#problem-control-unavailable', status: 503 });
    expect(text).not.toContain('10.0.0.1');
  });
});
