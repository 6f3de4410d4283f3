import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createFailedEvents } from '../../adapters/postgres/failed-events.ts';
import { openRetryQueue } from '../../adapters/retries/queue.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { loadConfig } from '../../platform/config.ts';
import { redriveWorkflowId } from '../../workflows/contracts.ts';
import { CANARY } from '../helpers/events.ts';
import { createRedriveHarness } from './redrive-harness.ts';

const NONE = { processed: 0, skipped: 0, filtered: 0, failed: 0, dead: 0, discarded: 0, leftOut: 0 };
const MISMATCH = { errorCode: 'organization_mismatch' };
const STAGED = sql.fragment`FROM analytics.crm_leads_staging`;

const groupsSchema = z.object({ groups: z.array(z.object({ fingerprint: z.string() })) });

describe('a fix of a whole group', { timeout: 240_000 }, () => {
  it('is tried dry, mends every event, keeps the messages, and leaves no personal data in Temporal', async () => {
    const product = await createRedriveHarness();
    await product.makeDeadLetters(1_200, { owner: 'org-9', email: CANARY });
    const { groups } = groupsSchema.parse(await (await product.ask('GET', '/dead-letters/groups')).json());
    const filter = { fingerprint: groups[0]!.fingerprint, organizationId: 'org-1' };
    const fix = { field: 'data.organizationId', op: 'replace', value: 'org-1' };

    const vain = await product.plan({ filter, fix: { ...fix, value: 'org-2' } });
    expect(vain.dryRun).toMatchObject({
      stage: { events: 0 },
      fail: [{ code: 'organization_mismatch', field: 'data.organizationId', events: 1_200 }],
    });
    const { dryRunId, dryRun } = await product.plan({ filter, fix });
    expect(dryRun).toMatchObject({ examined: 1_200, stage: { events: 1_200 }, skip: { events: 0 }, fail: [] });
    expect(await product.count(STAGED)).toBe(0);

    expect((await product.ask('POST', '/redrives', { filter, fix })).status).toBe(409);
    const { redriveId } = await product.request({ filter, fix, dryRunId });
    expect((await product.untilStatus(redriveId, 'finished')).counts).toEqual({ ...NONE, processed: 1_200 });
    expect(await product.count(STAGED)).toBe(1_200);
    const kept = await product.pool.one(sql.type(
      z.object({ corrected: z.string(), by: z.string(), raw: z.boolean(), events: z.number() }),
    )`
      SELECT correction #>> '{data,organizationId}' AS corrected, corrected_by AS by,
        position('org-9'::bytea IN value) > 0 AS raw, count(*) AS events
      FROM analytics.crm_failed_events GROUP BY 1, 2, 3`);
    expect(kept).toEqual({ corrected: 'org-1', by: 'ann', raw: true, events: 1_200 });

    const history = await product.temporalCommand(
      'workflow',
      'show',
      '--workflow-id',
      redriveWorkflowId(redriveId),
      '--output',
      'json',
    );
    const payloads = [...history.matchAll(/"data": "([^"]+)"/g)].map(([, data]) =>
      Buffer.from(data ?? '', 'base64').toString(),
    );
    expect(payloads.join()).toContain(redriveId);
    // The organization that it is limited to is a search attribute; nothing else of the filter is there.
    const [attributes, others] = [true, false].map((is) => payloads.filter((text) => (text === '"org-1"') === is));
    expect(attributes).toHaveLength(1);
    for (const text of [history, ...(others ?? [])]) {
      expect(text).not.toContain('canary');
      expect(text).not.toMatch(/org-\d|fingerprint|organizationId/u);
    }
  });
});

describe('redriving in vain', { timeout: 240_000 }, () => {
  it('ends after so many times, unless the event is corrected or the request insists', async () => {
    const product = await createRedriveHarness({ REDRIVE_LIMIT: '1' });
    await product.makeDeadLetters(20, { owner: 'org-9' });
    const redrive = async (body: object) => {
      const { redriveId } = await product.request({ filter: MISMATCH, ...body });
      return (await product.untilStatus(redriveId, 'finished')).counts;
    };
    expect(await redrive({})).toEqual({ ...NONE, dead: 20 });
    expect(await redrive({})).toEqual({ ...NONE, leftOut: 20 });
    const plan = await product.plan({ filter: MISMATCH });
    expect(plan.dryRun).toMatchObject({ examined: 20, leftOut: 20 });

    const failedId = await product.pool.oneFirst(
      sql.type(z.object({ id: z.number() }))`SELECT min(failed_id) AS id FROM analytics.crm_failed_events`,
    );
    await product.pool.query(sql.unsafe`
      UPDATE analytics.crm_failed_events SET corrected_by = 'bob', corrected_at = clock_timestamp(), correction = jsonb_build_object(
        'eventId', event_id, 'eventType', 'lead.created', 'organizationId', 'org-1', 'timestamp', '2026-11-20T12:00:00Z',
        'data', jsonb_build_object('id', 'l', 'firstName', 'A', 'lastName', 'B', 'email', 'a@example.com', 'source', 'web',
          'status', 'new', 'createdAt', 0, 'updatedAt', 0, 'organizationId', 'org-1'))
      WHERE failed_id = ${failedId}`);
    expect(await redrive({})).toEqual({ ...NONE, processed: 1, leftOut: 19 });
    expect(await redrive({ force: true })).toEqual({ ...NONE, dead: 19 });

    const one = await product.ask('POST', `/dead-letters/${failedId + 1}/redrive`);
    expect(one.status).toBe(200);
    expect(await one.json()).toMatchObject({ status: 'dead' });
  });
});

describe('giving up', { timeout: 240_000 }, () => {
  it('takes a second person for many events, and shows in the log and the books', async () => {
    const product = await createRedriveHarness({ REDRIVE_APPROVAL_OVER: '50' });
    await product.makeDeadLetters(60, { owner: 'org-9' });
    const { redriveId, status } = await product.request({
      filter: MISMATCH,
      action: 'discard',
      reason: 'of the test system',
    });
    expect(status).toBe('awaiting_approval');
    expect((await product.ask('POST', `/redrives/${redriveId}/approve`)).status).toBe(409);
    expect(await product.moves()).toEqual([]);
    await product.tell(redriveId, 'approve', 'bob');
    const done = await product.untilStatus(redriveId, 'finished');
    expect(done).toMatchObject({ counts: { ...NONE, discarded: 60 }, decidedBy: 'bob', requestedBy: 'ann' });
    expect(await product.logged()).toMatchObject([{ status: 'discarded', events: 60 }]);
    expect(await product.moves()).toEqual([{ cause: 'discard', from: 'dead', to: 'discarded', events: 60 }]);
    expect((await product.ask('POST', '/redrives', { filter: MISMATCH })).status).toBe(409);
  });
});

describe('a redrive that races the retries', { timeout: 240_000 }, () => {
  it('has each event staged once, by one of them', async () => {
    const product = await createRedriveHarness();
    const worker = await product.makeDeadLetters(600);
    await product.mend(worker);
    await product.pool.query(sql.unsafe`
      UPDATE analytics.crm_failed_events SET status = 'failed', next_attempt_at = clock_timestamp()`);
    const { redis, retries } = loadConfig(product.env, EVENT_TYPES);
    const queue = openRetryQueue({ ...redis, ...retries.queue, keepJobsSeconds: 60 }, product.logger);
    const due = await createFailedEvents(product.pool).due(Date.now() + 60_000, 1_000);
    expect(due).toHaveLength(600);
    const [{ redriveId }] = await Promise.all([
      product.request({ filter: { status: 'failed' }, ratePerSecond: 300 }),
      queue.addDue(due),
    ]);
    await queue.close();
    const { counts } = await product.untilStatus(redriveId, 'finished');
    await expect
      .poll(() => product.count(sql.fragment`FROM analytics.crm_failed_events WHERE status = 'resolved'`), {
        timeout: 60_000,
      })
      .toBe(600);
    expect(await product.count(STAGED)).toBe(600);
    const moves = await product.moves();
    const by = (cause: string) => moves.find((move) => move.cause === cause)?.events ?? 0;
    expect(by('redrive') + by('retry')).toBe(600);
    expect(counts).toEqual({ ...NONE, processed: by('redrive'), leftOut: 600 - by('redrive') });
  });
});
