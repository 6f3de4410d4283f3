import { randomUUID } from 'node:crypto';
import { type FragmentSqlToken, sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Batch, ClaimedRange, WriteMode } from '../../activities/ports.ts';
import { createEntityHistories, versionsQuery } from '../../adapters/postgres/history.ts';
import { loggedSchemasQuery } from '../../adapters/postgres/history-log.ts';
import { allowEveryone } from '../../api/principal.ts';
import type { StagedEvent } from '../../domain/staging.ts';
import { batchOf, contact, lead, opportunity } from '../helpers/batches.ts';
import { claimPartitions, createTestStore, openTestLane } from '../helpers/lane-store.ts';
import { createTestApp, PREFIX } from '../unit/api/app-under-test.ts';

const DAY_MS = 86_400_000;
const DAY = (day: number) => Date.UTC(2026, 10, day, 12);
const LEAD = { leadId: 'lead-1' };

/** An app over a database in which a live lane wrote these events from offset 0 on. */
async function createHistories(events: StagedEvent[], { personal = false } = {}) {
  const { pool, store, runId } = await createTestStore();
  const lane = await openTestLane(store);
  const [live] = (await claimPartitions(lane, runId, 'crm.events')) as [ClaimedRange];
  await lane.writer.write(batchOf(live, events, runId));
  const { request } = createTestApp({ histories: createEntityHistories(pool), authenticate: allowEveryone(personal) });

  async function replay(mode: WriteMode, again: StagedEvent[], topic = 'crm.events') {
    const replayId = randomUUID();
    await store.runs.start({ runId: replayId, kind: 'replay', scope: 'group' });
    const parts = [{ topic, partition: 0, initial: 0, rangeStart: 0, endOffset: again.length, topicId: null }];
    const [range] = await lane.positions.claim({ scope: replayId, runId: replayId, owner: 'test', ranges: parts });
    await lane.writer.write({ ...batchOf(range as ClaimedRange, again, replayId), mode } satisfies Batch);
    return replayId;
  }

  const ask = async (path: string) => {
    const response = await request('GET', `${PREFIX}${path}`);
    // biome-ignore lint/suspicious/noExplicitAny: the answer of a route, whose parts the tests compare
    return { status: response.status, body: (await response.json()) as any };
  };
  return { pool, runId, replay, ask };
}

describe('the history of a lead', () => {
  it('tells its state at a moment, what each event changed, and where that came from', async () => {
    const { ask, runId } = await createHistories(
      [
        lead('a', { ...LEAD, eventTimestamp: DAY(1), status: 'new' }),
        lead('c', { ...LEAD, eventTimestamp: DAY(3), status: 'won', score: null }),
        lead('b', { ...LEAD, eventTimestamp: DAY(2), status: 'open' }),
      ],
      { personal: true },
    );
    const { status, body } = await ask(`/leads/lead-1/history?at=${new Date(DAY(2)).toISOString()}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      entity: 'lead',
      id: 'lead-1',
      organizationId: 'org-1',
      nextCursor: null,
      masked: false,
    });
    expect(body.state).toMatchObject({
      status: 'open',
      email: 'ada@example.com',
      updatedAt: expect.stringMatching(/Z$/),
    });
    expect(body.changes).toMatchObject([
      {
        eventId: 'b',
        eventTimestamp: new Date(DAY(2)).toISOString(),
        origin: { topic: 'crm.events', incarnation: 1, partition: 0, offset: 2 },
        schemaId: 1,
        run: { ingestionId: runId, kind: 'live' },
        changed: [{ field: 'status', from: 'new', to: 'open' }],
      },
      { eventId: 'a', changed: expect.arrayContaining([{ field: 'firstName', from: null, to: 'Ada' }]) },
    ]);
    expect((await ask('/leads/lead-1/history')).body).toMatchObject({
      state: { status: 'won', score: null },
      changes: [{ eventId: 'c' }, { eventId: 'b' }, { eventId: 'a' }],
    });
    const early = await ask(`/leads/lead-1/history?at=${new Date(DAY(1) - 1).toISOString()}`);
    expect(early.body).toMatchObject({ state: null, changes: [] });
  });

  it('says that a replay wrote over a row, by which run, and keeps the schema of its delivery', async () => {
    const { ask, replay, runId } = await createHistories([lead('a', { ...LEAD, eventTimestamp: DAY(1) })]);
    const moved = lead('a', { ...LEAD, eventTimestamp: DAY(2), contentHash: 43 });
    const first = await replay('overwrite', [moved]);
    const second = await replay('overwrite', [{ ...moved, score: 9, contentHash: 44 }]);
    const { body } = await ask('/leads/lead-1/history');
    expect(body.changes).toMatchObject([
      {
        schemaId: 1,
        run: { ingestionId: second, kind: 'replay' },
        overwritten: [
          { run: { ingestionId: first, kind: 'replay' }, replacedBy: { ingestionId: second, kind: 'replay' } },
          { run: { ingestionId: runId, kind: 'live' }, replacedBy: { ingestionId: first, kind: 'replay' } },
        ],
      },
    ]);
  });

  it('names the file and line of a row that was backfilled', async () => {
    const { ask, replay } = await createHistories([lead('z')]);
    await replay('ingest', [lead('a', LEAD), lead('b', { ...LEAD, eventTimestamp: DAY(21) })], 'file:old/leads.csv');
    const { body } = await ask('/leads/lead-1/history');
    expect(body.changes[0].origin).toEqual({ topic: 'file:old/leads.csv', incarnation: 1, partition: 0, offset: 1 });
  });

  it('comes in pages that join, also between events of the same time', async () => {
    const events = ['a', 'b', 'c', 'd', 'e'].map((id, index) =>
      lead(id, { ...LEAD, eventTimestamp: DAY(1 + Math.floor(index / 3)), score: index }),
    );
    const { ask } = await createHistories(events);
    const whole = (await ask('/leads/lead-1/history')).body;
    const pages = [];
    for (let next = ''; ; ) {
      const { body } = await ask(`/leads/lead-1/history?limit=2${next}`);
      pages.push(...body.changes);
      expect(body.state).toEqual(whole.state);
      if (body.nextCursor === null) break;
      next = `&cursor=${body.nextCursor}`;
    }
    expect(pages).toEqual(whole.changes);
    expect(new Set(pages.map(({ eventId }) => eventId)).size).toBe(5);
    expect((await ask('/leads/lead-1/history?cursor=1.x')).status).toBe(400);
  });

  it('masks personal data', async () => {
    const { ask } = await createHistories([
      lead('ada@example.com', { ...LEAD, eventTimestamp: DAY(1) }),
      lead('b', { ...LEAD, eventTimestamp: DAY(2), firstName: 'Augusta', status: 'open' }),
    ]);
    const { body } = await ask('/leads/lead-1/history');
    const text = JSON.stringify(body);
    expect(body).toMatchObject({ masked: true, state: { firstName: 'A***', status: 'open' } });
    expect(text).not.toMatch(/Ada|Augusta|Lovelace|ada@/u);
    expect(body.changes[0].changed).toContainEqual({ field: 'firstName', from: 'A***', to: 'A***' });
  });
});

it('knows contacts and opportunities', async () => {
  const { ask } = await createHistories([contact('a'), opportunity('b')], { personal: true });
  expect((await ask('/contacts/contact-a/history')).body).toMatchObject({ state: { email: 'ada@example.com' } });
  expect((await ask('/opportunities/opportunity-b/history')).body).toMatchObject({
    state: { amount: '-1234567890123.45', expectedCloseDate: '2024-10-04', probability: 100 },
  });
});

describe('an id', () => {
  it('of several organizations takes one of them, and nobody is told which there are', async () => {
    const { ask } = await createHistories([lead('a', LEAD), lead('b', { ...LEAD, organizationId: 'org-2' })]);
    const refused = await ask('/leads/lead-1/history');
    expect(refused.status).toBe(409);
    expect(JSON.stringify(refused.body)).not.toMatch(/org-[12]/u);
    const { body } = await ask('/leads/lead-1/history?organizationId=org-2');
    expect(body.changes.map(({ eventId }: { eventId: string }) => eventId)).toEqual(['b']);
  });

  it('that nobody knows is not found, nor is it in another organization', async () => {
    const { ask } = await createHistories([lead('a', LEAD)]);
    expect((await ask('/leads/lead-2/history')).status).toBe(404);
    expect((await ask('/leads/lead-1/history?organizationId=org-2')).status).toBe(404);
    expect((await ask('/contacts/lead-1/history')).status).toBe(404);
  });
});

it('reads by key, from the partitions up to the moment alone', async () => {
  const { pool } = await createHistories([lead('z')]);
  const days = Array.from({ length: 15 }, (_, day) => new Date(DAY(1) + day * DAY_MS).toISOString());
  await pool.query(sql.unsafe`
    SELECT analytics.crm_ensure_partition(parent, day::timestamptz, 'day')
    FROM unnest(${sql.array(days, 'text')}) AS day, unnest('{crm_leads_staging,crm_events_log}'::text[]) AS parent`);
  await pool.query(sql.unsafe`
    INSERT INTO analytics.crm_leads_staging (id, event_id, lead_id, organization_id, event_timestamp, event_type, ingestion_id)
    SELECT gen_random_uuid(), 'e-' || n, 'lead-' || n % 1500, 'org-1', ${days[0]!}::timestamptz + n * interval '1 minute',
      'lead.created', gen_random_uuid()
    FROM generate_series(1, 15000) n`);
  await pool.query(sql.unsafe`ANALYZE analytics.crm_leads_staging`);
  const explain = (query: FragmentSqlToken) =>
    pool.anyFirst(sql.type(z.object({ 'QUERY PLAN': z.string() }))`EXPLAIN (COSTS OFF) ${query}`);
  const query = versionsQuery(
    { entity: 'lead', id: 'lead-7', organizationId: 'org-1' },
    { until: DAY(6), before: null, limit: 51 },
  );
  const plan = await explain(sql.fragment`${query}`);
  const scans = plan.filter((line) => / Scan .*crm_leads_staging_p/u.test(line));
  expect(scans).not.toEqual([]);
  expect(
    scans.filter((line) => !line.includes('__lead_time') && !line.includes('_lead_id_event_timestamp_idx')),
  ).toEqual([]);
  expect(plan.join('\n')).not.toContain('crm_leads_staging_p20261107');
  expect(plan.join('\n')).not.toContain('crm_events_log');

  const delivery = { topic: 'crm.events', incarnation: 1, partition: 0 };
  const logged = loggedSchemasQuery([
    { ...delivery, offset: 1, loggedAt: DAY(2) },
    { ...delivery, offset: 2, loggedAt: DAY(4) },
  ]);
  const opened = (await explain(sql.fragment`${logged}`)).flatMap(
    (line) => line.match(/crm_events_log_p\d{8}/gu) ?? [],
  );
  expect(new Set(opened)).toEqual(new Set(['crm_events_log_p20261102', 'crm_events_log_p20261104']));
});

it('compiles no statement', async () => {
  const { pool } = await createTestStore();
  expect(await pool.oneFirst(sql.type(z.object({ jit: z.string() }))`SHOW jit`)).toBe('off');
});
