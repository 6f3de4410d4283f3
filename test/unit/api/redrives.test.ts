import { describe, expect, it } from 'vitest';
import { createTestApp, PREFIX } from './app-under-test.ts';
import { createMemoryRedrives } from './memory-redrives.ts';

const REDRIVES = `${PREFIX}/redrives`;
const FINGERPRINT = 'a'.repeat(32);
const FIX = { field: 'data.currency', op: 'cast', to: 'uppercase' };
const GROUP = { fingerprint: FINGERPRINT };
const ANN = { 'x-operator': 'ann' };
const BOB = { 'x-operator': 'bob' };

function setUp(options: Parameters<typeof createMemoryRedrives>[0] = {}) {
  const memory = createMemoryRedrives(options);
  const app = createTestApp({ redrives: memory.desk });
  const post = (path: string, json: unknown, headers = ANN) =>
    app.request('POST', `${REDRIVES}${path}`, { json, headers });
  const tell = (id: string, what: string, headers = ANN) =>
    app.request('POST', `${REDRIVES}/${id}/${what}`, { headers });
  const created = async (json: unknown = { filter: {} }) => {
    const response = await post('', json);
    expect(response.status).toBe(202);
    return (await response.json()) as { redriveId: string; status: string };
  };
  const get = async (id: string) =>
    (await (await app.request('GET', `${REDRIVES}/${id}`)).json()) as { estimatedEnd: string };
  return { ...memory, ...app, post, tell, created, get };
}

describe('a redrive', () => {
  it('runs at once, and is found in the list under who asked for it', async () => {
    const { created, request } = setUp();
    const { redriveId, status } = await created({ filter: { errorCode: 'undecodable' }, ratePerSecond: 50 });
    expect(status).toBe('running');
    const list = await (await request('GET', REDRIVES)).json();
    expect(list).toMatchObject({
      redrives: [{ redriveId, requestedBy: 'ann', total: 10, filter: { errorCode: 'undecodable' }, action: 'redrive' }],
    });
  });

  it('can be paused, resumed, slowed down and cancelled', async () => {
    const { created, tell, get, request } = setUp();
    const { redriveId } = await created();
    expect((await tell(redriveId, 'pause')).status).toBe(200);
    expect(await get(redriveId)).toMatchObject({ status: 'paused', phase: 'paused' });
    expect((await tell(redriveId, 'resume')).status).toBe(200);
    const path = `${REDRIVES}/${redriveId}/rate`;
    expect((await request('PUT', path, { json: { ratePerSecond: 7 } })).status).toBe(200);
    expect(await get(redriveId)).toMatchObject({ phase: 'running', ratePerSecond: 7 });
    expect((await tell(redriveId, 'cancel')).status).toBe(200);
    expect(await get(redriveId)).toMatchObject({ phase: 'cancelled' });
  });

  it('tells its speed and end by the time that it was at work', async () => {
    const { created, rows, workflows, get } = setUp({ total: 100 });
    const { redriveId } = await created();
    const counts = { ...rows.get(redriveId)!.counts, processed: 20, dead: 5 };
    rows.set(redriveId, { ...rows.get(redriveId)!, counts });
    workflows.set(redriveId, { ...workflows.get(redriveId)!, workedMs: 5_000 });
    const now = await get(redriveId);
    expect(now).toMatchObject({ eventsPerSecond: 5, counts: { processed: 20, dead: 5 } });
    const left = Date.parse(now.estimatedEnd) - Date.now();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(15_000);
  });

  it('that never began is cancelled in the books alone', async () => {
    const { created, workflows, tell } = setUp();
    const { redriveId } = await created();
    workflows.delete(redriveId);
    expect((await tell(redriveId, 'pause')).status).toBe(409);
    expect(await (await tell(redriveId, 'cancel')).json()).toMatchObject({ status: 'cancelled' });
    expect((await tell(redriveId, 'resume')).status).toBe(409);
  });

  it('of nothing is refused, and so is what is not known', async () => {
    const { post, tell } = setUp({ total: 0 });
    expect((await post('', { filter: {} })).status).toBe(409);
    expect((await tell('0190d5f0-0000-7000-8000-000000000001', 'pause')).status).toBe(404);
  });
});

describe('a request', () => {
  it.each([
    ['discards without a reason', { filter: {}, action: 'discard' }],
    ['discards with an e-mail address as reason', { filter: {}, action: 'discard', reason: 'of ann@example.com' }],
    ['gives a reason to redrive', { filter: {}, reason: 'because' }],
    ['mends what it discards', { filter: GROUP, action: 'discard', reason: 'old data', fix: FIX }],
    ['mends more than a group', { filter: {}, fix: FIX }],
    ['mends an unknown field', { filter: GROUP, fix: { ...FIX, field: 'data.__proto__' } }],
    ['casts to what the field is not', { filter: GROUP, fix: { ...FIX, to: 'integer' } }],
    ['has an unknown filter', { filter: { colour: 'red' } }],
    ['has no filter', {}],
    ['is faster than possible', { filter: {}, ratePerSecond: 0 }],
  ])('that %s is invalid', async (_, body) => {
    const { post, rows } = setUp();
    const response = await post('', body);
    expect(response.status).toBe(400);
    expect(rows.size).toBe(0);
    expect(await response.text()).not.toContain('ann@example.com');
  });
});

describe('a fix', () => {
  const dryRunIdOf = async (response: Response) => ((await response.json()) as { dryRunId: string }).dryRunId;

  it('is tried dry first, and then mends the events that were tried', async () => {
    const { post, tried, matched, rows } = setUp();
    const plan = await post('/plan', { filter: GROUP, fix: FIX });
    const body = await plan.clone().json();
    expect(body).toMatchObject({ total: 10, needsApproval: false, dryRun: { stage: { events: 9 }, examined: 10 } });
    expect(tried).toMatchObject([{ fix: FIX, filter: GROUP, lastFailedId: 99 }]);
    expect(rows.size).toBe(0);
    const dryRunId = await dryRunIdOf(plan);
    expect((await post('', { filter: GROUP, fix: FIX, dryRunId })).status).toBe(202);
    expect(matched).toEqual([null, 99]);
  });

  it('is refused untried, tried on something else, or tried too long ago', async () => {
    const { post, clock } = setUp();
    const dryRunId = await dryRunIdOf(await post('/plan', { filter: GROUP, fix: FIX }));
    expect((await post('', { filter: GROUP, fix: FIX })).status).toBe(409);
    expect((await post('', { filter: GROUP, fix: { ...FIX, to: 'lowercase' }, dryRunId })).status).toBe(409);
    const other = { fingerprint: 'b'.repeat(32) };
    expect((await post('', { filter: other, fix: FIX, dryRunId })).status).toBe(409);
    expect((await post('', { filter: GROUP, fix: FIX, dryRunId: dryRunId.replace('.99.', '.999.') })).status).toBe(409);
    clock.now += 3_600_001;
    expect((await post('', { filter: GROUP, fix: FIX, dryRunId })).status).toBe(409);
  });

  it('has no part in a discard, which is counted alone', async () => {
    const { post, tried } = setUp();
    const discard = await post('/plan', { filter: {}, action: 'discard', reason: 'old data' });
    expect(await discard.json()).toMatchObject({ total: 10, dryRun: null, dryRunId: null });
    expect(tried).toEqual([]);
  });
});

describe('a second person', () => {
  const asked = { filter: {}, ratePerSecond: 5 };

  it('must agree to many events', async () => {
    const { created, tell, get } = setUp({ approvalOver: 9 });
    const { redriveId, status } = await created(asked);
    expect(status).toBe('awaiting_approval');
    expect((await tell(redriveId, 'resume')).status).toBe(409);
    const own = await tell(redriveId, 'approve', ANN);
    expect(own.status).toBe(409);
    expect(await own.json()).toMatchObject({ detail: expect.stringContaining('Another person') });
    expect(await (await tell(redriveId, 'approve', BOB)).json()).toMatchObject({ status: 'running', decidedBy: 'bob' });
    expect(await get(redriveId)).toMatchObject({ phase: 'running', ratePerSecond: 5 });
    expect((await tell(redriveId, 'approve', BOB)).status).toBe(409);
  });

  it('can refuse', async () => {
    const { created, tell, workflows } = setUp({ approvalOver: 9 });
    const { redriveId } = await created(asked);
    expect((await tell(redriveId, 'reject', ANN)).status).toBe(409);
    expect(await (await tell(redriveId, 'reject', BOB)).json()).toMatchObject({ status: 'rejected' });
    expect(workflows.get(redriveId)?.phase).toBe('cancelled');
  });

  it('is not asked about as many as are allowed', async () => {
    const { created } = setUp({ approvalOver: 10 });
    expect((await created(asked)).status).toBe('running');
  });
});

describe('a redrive of one event', () => {
  it('answers with what became of it', async () => {
    const { desk, rows } = setUp();
    expect(await desk.redriveOne(7, 'ann', null)).toEqual({ status: 'processed', reason: null });
    expect([...rows.values()]).toMatchObject([{ filter: { failedIds: [7] }, force: true }]);
  });

  it('is accepted when it takes longer', async () => {
    const { desk, redriveControl } = setUp();
    redriveControl.ended = async () => false;
    expect(await desk.redriveOne(7, 'ann', null)).toBe('accepted');
  });
});
