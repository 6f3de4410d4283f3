import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createTestApp, PREFIX } from './app-under-test.ts';
import { createMemoryReplays } from './memory-replays.ts';

const asReplay = z.looseObject({ replayId: z.string(), status: z.string() });
const RANGE = { ranges: [{ topic: 'crm.leads', from: 200, to: 700 }] };

function createApi(options: Parameters<typeof createMemoryReplays>[0] = {}) {
  const memory = createMemoryReplays(options);
  const { request } = createTestApp({ replays: memory.desk });
  const post = (path: string, json?: unknown) =>
    request('POST', `${PREFIX}${path}`, { json, headers: { 'x-operator': 'ann' } });
  const create = async (json: unknown = RANGE) => asReplay.parse(await (await post('/replays', json)).json());
  const get = async (id: string) => (await request('GET', `${PREFIX}/replays/${id}`)).json();
  return { ...memory, request, post, create, get };
}

describe('POST /replays/plan', () => {
  it('tells the offsets of a range, and no time while nothing tells how fast it goes', async () => {
    const { post } = createApi();
    const planned = await post('/replays/plan', { ...RANGE, ratePerSecond: null });
    expect(await planned.json()).toEqual({
      ranges: [{ topic: 'crm.leads', partition: 0, from: 200, to: 700, offsets: 500, lost: 0 }],
      files: [],
      offsets: 500,
      lost: 0,
      estimatedSeconds: null,
    });
  });

  it.each([
    ['a rate', { ratePerSecond: 100 }, {}, 5],
    ['what the last replays did', { ratePerSecond: null }, { usualSpeed: 50 }, 10],
  ])('estimates the time by %s', async (_, speed, options, estimatedSeconds) => {
    const { post } = createApi(options);
    expect(await (await post('/replays/plan', { ...RANGE, ...speed })).json()).toMatchObject({ estimatedSeconds });
  });

  it('tells what retention has deleted of a range', async () => {
    const { post } = createApi();
    const planned = await post('/replays/plan', { ranges: [{ topic: 'crm.leads', partition: 0, from: 40, to: 110 }] });
    expect(await planned.json()).toMatchObject({ offsets: 10, lost: 60 });
  });

  it.each([
    ['a topic that is not ingested', { ranges: [{ topic: 'other' }] }, 'other is none of the topics'],
    ['a topic that Kafka does not have', { topics: ['crm.events'] }, 'Kafka has no topic crm.events'],
    ['a partition that is not there', { ranges: [{ topic: 'crm.leads', partition: 9 }] }, 'no partition 9'],
    ['offsets that are still to come', { ranges: [{ topic: 'crm.leads', to: 9_999 }] }, '100 to 1100'],
    ['a range that ends before it begins', { ranges: [{ topic: 'crm.leads', from: 300, to: 200 }] }, 'must end after'],
    ['times in the wrong order', { from: '2026-11-02T00:00:00Z', to: '2026-11-01T00:00:00Z' }, 'must end after'],
    ['a run that read nothing', { runId: '6f4d7c5e-8f0e-4c7e-9a53-0d1d6a3b0c11' }, 'has read anything'],
  ])('refuses %s, and says why', async (_, body, why) => {
    const { post } = createApi();
    const refused = await post('/replays/plan', body);
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({ detail: expect.stringContaining(why) });
  });

  it.each([
    ['nothing', {}],
    ['two ways of saying what is meant', { ...RANGE, topics: ['crm.leads'] }],
    ['a mode of backfills', { ...RANGE, mode: 'ingest' }],
    ['no lanes', { ...RANGE, lanes: 0 }],
  ])('refuses %s', async (_, body) => {
    expect((await createApi().post('/replays/plan', body)).status).toBe(400);
  });
});

describe('POST /backfills', () => {
  it('takes files with a mapping, and shows which files those are before anything runs', async () => {
    const { post, rows } = createApi();
    const body = { source: 'files', folder: 'old', format: 'csv', csv: { mapping: { mail: 'data.email' } } };
    expect(await (await post('/backfills/plan', body)).json()).toMatchObject({
      files: [{ uri: 'file:///leads.ndjson', bytes: 5 }],
      offsets: null,
    });
    expect((await post('/backfills', body)).status).toBe(202);
    expect([...rows.values()]).toMatchObject([
      {
        kind: 'backfill',
        mode: 'ingest',
        selection: {
          by: 'files',
          location: { folder: 'old' },
          reading: { format: 'csv', csv: { mapping: { mail: 'data.email' }, delimiter: ',', constants: {} } },
        },
      },
    ]);
  });

  it.each([
    ['a mapping without CSV', { source: 'files', folder: 'old', format: 'avro', csv: { mapping: {} } }],
    ['CSV without a mapping', { source: 'files', folder: 'old', format: 'csv' }],
    ['a field that is none', { source: 'files', folder: 'a', format: 'csv', csv: { mapping: { a: 'data' } } }],
    ['two places', { source: 'files', folder: 'old', bucket: 'b', format: 'ndjson' }],
    ['no place', { source: 'files', format: 'ndjson' }],
  ])('refuses %s', async (_, body) => {
    expect((await createApi().post('/backfills', body)).status).toBe(400);
  });
});

describe('a replay', () => {
  it('runs once it is requested, by whoever asked, and shows how far it is', async () => {
    const { create, get } = createApi();
    const { replayId } = await create();
    expect(await get(replayId)).toMatchObject({
      status: 'running',
      requestedBy: 'ann',
      mode: 'missing',
      lanes: 4,
      ratePerSecond: 10_000,
      phase: 'running',
      done: 250,
      counts: { stored: 250, changed: 0 },
      offsetsPerSecond: 250,
      estimatedEnd: expect.any(String),
      report: null,
    });
  });

  it('is paused, resumed, cancelled, and then told nothing more', async () => {
    const { create, post } = createApi();
    const { replayId } = await create();
    for (const [action, status] of [
      ['pause', 'paused'],
      ['resume', 'running'],
      ['cancel', 'cancelled'],
    ]) {
      expect(await (await post(`/replays/${replayId}/${action}`)).json()).toMatchObject({ status });
    }
    expect((await post(`/replays/${replayId}/resume`)).status).toBe(409);
  });

  it('goes at another rate, with as many lanes as before', async () => {
    const { create, request, workflows } = createApi();
    const { replayId } = await create();
    const changed = await request('PUT', `${PREFIX}/replays/${replayId}/rate`, { json: { ratePerSecond: null } });
    expect(await changed.json()).toMatchObject({ ratePerSecond: null, lanes: 4 });
    expect(workflows.get(replayId)).toMatchObject({ ratePerSecond: null, lanes: 4 });
  });

  it('is kept when Temporal does not answer, and cancelled without it', async () => {
    const { post, rows } = createApi({ temporal: false });
    const refused = await post('/replays', RANGE);
    const [replay] = rows.values();
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ detail: expect.stringContaining(replay!.replayId) });
    expect(await (await post(`/replays/${replay!.replayId}/cancel`)).json()).toMatchObject({ status: 'cancelled' });
  });

  it('hides ids in its filter that may be addresses', async () => {
    const { create, get } = createApi();
    const { replayId } = await create({ ...RANGE, filter: { entityId: 'ada@example.com' } });
    expect(JSON.stringify(await get(replayId))).not.toContain('ada@example.com');
  });

  it('that nobody asked for is unknown', async () => {
    const { request, post } = createApi();
    const id = '6f4d7c5e-8f0e-4c7e-9a53-0d1d6a3b0c11';
    expect((await request('GET', `${PREFIX}/replays/${id}`)).status).toBe(404);
    expect((await post(`/replays/${id}/pause`)).status).toBe(404);
  });
});
