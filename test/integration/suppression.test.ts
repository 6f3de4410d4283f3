import pg from 'pg';
import { sql } from 'slonik';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { deliverFailed } from '../../activities/deliver-failed.ts';
import { StaleSuppressionError, type WriteMode } from '../../activities/ports.ts';
import type { Redrive } from '../../activities/redrive-ports.ts';
import { createRedriveWork } from '../../activities/redrive-work.ts';
import { retryFailed } from '../../activities/retry-failed.ts';
import { createSuppressionList } from '../../activities/suppression.ts';
import { createSuppressionSource } from '../../adapters/postgres/suppression.ts';
import { createIdentifierHash } from '../../domain/suppression.ts';
import { NO_REDRIVE_COUNTS } from '../../workflows/contracts.ts';
import { batchOf, contact, lead, opportunity } from '../helpers/batches.ts';
import { brokenBooksIn, statusesIn } from '../helpers/books.ts';
import { createLaneHarness, createTestTopics, produce } from '../helpers/lane-harness.ts';
import { claimPartitions, createTestStore, ledgerFormerly, openTestLane } from '../helpers/lane-store.ts';
import { ids, wireLead } from '../helpers/wire-leads.ts';
import { createEraser, KEY, tablesWith } from './erasure-harness.ts';

const CANARY = 'canary.7f3e@leak.example';
const SUBJECT = { kind: 'email', email: CANARY } as const;
const SOON = { timeout: 60_000, interval: 20 };

/** Lanes over a topic where every third lead is of the person, and an eraser beside them. */
async function setUp(options: { maxRecords?: number } = {}) {
  const { client, topics, schemaIds } = await createTestTopics();
  const lanes = await createLaneHarness(client, {
    ...options,
    suppression: createSuppressionList(
      { since: (version) => createSuppressionSource(lanes.pool).since(version) },
      createIdentifierHash(KEY),
    ),
  });
  const { pool, reader } = lanes;
  const send = (names: readonly string[]) =>
    produce(
      client,
      names.map((id, index) => ({
        topic: topics.leads,
        partition: 0,
        key: index % 3 === 0 ? CANARY : id,
        value: wireLead(schemaIds.leads, id, index % 3 === 0 ? { email: CANARY } : {}),
      })),
    );
  const staged = () =>
    pool.oneFirst(sql.type(z.object({ count: z.number() }))`SELECT count(*) FROM analytics.crm_leads_staging`);

  /** Reads the topic again, as a replay does. */
  async function replay(mode: WriteMode, scope: string) {
    const [at] = await reader.bounds([{ topic: topics.leads, partition: 0 }]);
    const sourceId = await pool.oneFirst(
      sql.type(z.object({ id: z.number() }))`SELECT source_id AS id FROM analytics.crm_sources LIMIT 1`,
    );
    const part = { topic: topics.leads, partition: 0, from: 0, to: at!.end, sourceId };
    const lane = await lanes.startLane([topics.leads], { mode, ranges: { scope, parts: [part] } });
    return (await lane.ended).totals;
  }

  return { ...lanes, ...createEraser(pool), topic: topics.leads, send, staged, replay };
}

describe('an erasure while a lane writes', () => {
  it.each([0, 40, 300])('leaves no row of the person once %i rows were there', async (rows) => {
    const { pool, send, startLane, staged, lagOf, erase, topic } = await setUp({ maxRecords: 30 });
    await send(ids('a', 600));
    const lane = await startLane([topic]);
    await expect.poll(staged, SOON).toBeGreaterThanOrEqual(rows);
    const report = await erase(SUBJECT);
    await expect.poll(() => lagOf([topic]), SOON).toBe(0);
    await lane.stop();
    expect(report).toMatchObject({ verdict: 'erased', verification: { left: 0 } });
    expect(await staged()).toBe(400);
    expect(await tablesWith(pool, CANARY)).toEqual([]);
    expect(await brokenBooksIn(pool)).toEqual([]);
    const { processed = 0, filtered = 0 } = await statusesIn(pool);
    expect(processed + filtered).toBe(600);
  });

  it('refuses what was prepared before it', async () => {
    const { pool, store, runId } = await createTestStore();
    const lane = await openTestLane(store);
    const [range] = await claimPartitions(lane, runId, 'crm.leads');
    const prepared = batchOf(range!, [lead('a', { email: CANARY })], runId);
    await createEraser(pool).erase(SUBJECT);
    await expect(lane.writer.write(prepared)).rejects.toThrow(StaleSuppressionError);
    expect(await tablesWith(pool, CANARY)).toEqual([]);
  });

  it('waits for a transaction that has asserted the list and is not committed', async () => {
    const { pool, url } = await createTestStore();
    const { run, activities, request } = createEraser(pool);
    const erasureId = await request(SUBJECT);
    const writer = new pg.Client({ connectionString: url });
    await writer.connect();
    onTestFinished(() => writer.end());
    await writer.query('BEGIN');
    await writer.query('SELECT analytics.crm_assert_suppression(0)');
    await expect(run(activities.suppressSubject, { erasureId })).rejects.toMatchObject({
      type: 'WriteRefused',
      message: expect.stringContaining('55P03'),
    });
    await writer.query('COMMIT');
    await run(activities.suppressSubject, { erasureId });
    await expect(writer.query('SELECT analytics.crm_assert_suppression(0)')).rejects.toMatchObject({ code: 'CF005' });
  });
});

describe('after an erasure', () => {
  it('no replay and no seek brings the person back', async () => {
    const { pool, runId, send, drain, erase, replay, startLane, staged, lagOf, topic } = await setUp();
    await send(ids('a', 9));
    await drain([topic]);
    await erase(SUBJECT);
    expect(await replay('missing', 'one')).toMatchObject({ stored: 0 });
    expect(await replay('restore', 'two')).toMatchObject({ changed: 0, filtered: 3 });
    expect(await replay('overwrite', 'three')).toMatchObject({ changed: 0, filtered: 3 });
    await pool.query(sql.unsafe`UPDATE analytics.crm_positions SET next_offset = 0 WHERE scope = 'group'`);
    const lane = await startLane([topic], { runId });
    await expect.poll(() => lagOf([topic]), SOON).toBe(0);
    await lane.stop();
    expect(await staged()).toBe(6);
    expect(await tablesWith(pool, CANARY)).toEqual([]);
  });

  it('what links to an erased record has a token there from the first', async () => {
    const { pool, store, runId } = await createTestStore();
    const { erase, suppression } = createEraser(pool);
    await erase({ kind: 'records', entity: 'lead', ids: ['l-1'], organizationId: 'org-1' });
    await suppression.refresh();
    const lane = await openTestLane(store);
    const [range] = await claimPartitions(lane, runId, 'crm.contacts');
    const linked = suppression.unlink(contact('a', { leadId: 'l-1' }));
    await lane.writer.write({ ...batchOf(range!, [linked], runId), suppression: suppression.version });
    expect(await tablesWith(pool, 'l-1')).toEqual([]);
    expect(suppression.unlink(contact('b', { leadId: 'l-2' }))).toMatchObject({ leadId: 'l-2' });
  });
});

describe('an event whose link was to a record that was erased since', () => {
  it.each([
    ['this release', false],
    ['an earlier one', true],
  ])('is still a duplicate of what %s wrote to the ledger', async (_, isFormer) => {
    const { pool, store, runId } = await createTestStore();
    const { erase, suppression } = createEraser(pool);
    const lane = await openTestLane(store);
    const [range] = await claimPartitions(lane, runId, 'crm.contacts');
    const events = [contact('a', { leadId: 'l-1' }), opportunity('b', { leadId: 'l-1', contactId: 'c-1' })];
    await lane.writer.write(batchOf(range!, events, runId));
    if (isFormer) await ledgerFormerly(pool, ...events);
    await erase({ kind: 'records', entity: 'lead', ids: ['l-1'], organizationId: 'org-1' });
    await suppression.refresh();
    const again = events.map((event) => suppression.unlink(event));
    const other = suppression.unlink(contact('a', { leadId: 'l-1', title: 'Countess', contentHash: 43 }));
    const batch = {
      ...batchOf({ ...range!, nextOffset: 2 }, [...again, other], runId),
      suppression: suppression.version,
    };
    expect((await lane.writer.write(batch)).slices).toMatchObject([{ stored: 0, skipped: 3, conflicts: 1 }]);
    expect(await tablesWith(pool, 'l-1')).toEqual([]);
  });
});

describe('a failed event of somebody who is erased', () => {
  /** A lead whose row PostgreSQL refuses for as long as the test wants. */
  async function withFailed() {
    const harness = await setUp();
    const { pool, deps, store } = harness;
    await pool.query(
      sql.unsafe`ALTER TABLE analytics.crm_leads_staging ADD CONSTRAINT never CHECK (email <> ${sql.literalValue(CANARY)})`,
    );
    await harness.send(['a', 'b']);
    await harness.drain([harness.topic]);
    const failedId = await pool.oneFirst(
      sql.type(z.object({ id: z.number() }))`
        UPDATE analytics.crm_failed_events SET status = 'failed' RETURNING failed_id AS id`,
    );
    await pool.query(sql.unsafe`ALTER TABLE analytics.crm_leads_staging DROP CONSTRAINT never`);
    const found = () =>
      pool.one(sql.unsafe`
        SELECT status, settled_as, discard_reason, key, value, headers, correction FROM analytics.crm_failed_events`);
    const rules = deps.options;
    const common = {
      decoder: deps.decoder,
      scheduler: { schedule: () => {} },
      backoff: { baseMs: 1, maxMs: 2 },
      settle: store.settler.settle,
    };
    return { ...harness, failedId, found, rules, common };
  }
  const EMPTY = { key: null, value: null, headers: null, correction: null };

  it('is given up, its message is gone, and the log and the books follow', async () => {
    const { pool, erase, found } = await withFailed();
    const report = await erase(SUBJECT);
    expect(await found()).toEqual({ status: 'discarded', settled_as: 'discarded', discard_reason: 'erased', ...EMPTY });
    expect(report.places).toContainEqual({ place: 'crm_failed_events', what: 'emptied', rows: 1 });
    expect(await statusesIn(pool)).toEqual({ processed: 1, discarded: 1 });
    expect(await pool.any(sql.unsafe`SELECT cause, from_status, to_status, events FROM analytics.crm_moves`)).toEqual([
      { cause: 'discard', from_status: 'failed', to_status: 'discarded', events: 1 },
    ]);
    expect(await tablesWith(pool, CANARY)).toEqual([]);
  });

  it('settles as filtered, without its message, when a retry took it before', async () => {
    const { pool, store, failedId, found, rules, common, run, activities, request, staged } = await withFailed();
    const erasureId = await request(SUBJECT);
    let judged = 0;
    const retried = await retryFailed(
      {
        ...common,
        failed: store.failed,
        suppression: rules.suppression,
        runId: async () => '0190d5f0-0000-7000-8000-000000000001',
        now: Date.now,
        random: () => 0,
        async deliver(event) {
          judged += 1;
          const outcome = await deliverFailed(event, common.decoder, rules, Date.now());
          if (judged === 1) await run(activities.suppressSubject, { erasureId });
          return outcome;
        },
      },
      failedId,
      null,
      AbortSignal.timeout(10_000),
    );
    expect(judged).toBe(2);
    expect(retried?.settled).toEqual({ status: 'filtered', reason: null });
    expect(await found()).toMatchObject({ status: 'resolved', settled_as: 'filtered', ...EMPTY });
    expect(await staged()).toBe(1);
    expect(await tablesWith(pool, CANARY)).toEqual(['crm_erasures']);
  });

  it('settles as filtered in a redrive that prepared it before, also where a rule gives it another address', async () => {
    const { pool, store, failedId, found, rules, common, run, activities, request, staged } = await withFailed();
    const redriveId = '0190d5f0-0000-7000-8000-000000000002';
    const work = createRedriveWork({ ...common, store, rules, onOutcomes: () => {} });
    const redrive: Redrive = {
      redriveId,
      action: 'redrive',
      filter: {},
      fix: { field: 'data.email', op: 'replace', value: 'other@leak.example' },
      reason: null,
      force: true,
      ratePerSecond: 1,
      status: 'running',
      lastFailedId: failedId,
      total: 1,
      counts: NO_REDRIVE_COUNTS,
      requestedBy: 'ann',
      requestedAt: '',
      decidedBy: null,
      decidedAt: null,
      finishedAt: null,
    };
    const page = await work.prepare(redrive, { failedIds: [failedId], leftOut: 0, last: failedId });
    await run(activities.suppressSubject, { erasureId: await request(SUBJECT) });
    const counts = await work.write(redrive, page, AbortSignal.timeout(10_000), () => {});
    expect(counts).toMatchObject({ filtered: 1, processed: 0 });
    expect(await found()).toMatchObject({ status: 'resolved', settled_as: 'filtered', ...EMPTY });
    expect(await staged()).toBe(1);
    expect(await tablesWith(pool, CANARY)).toEqual(['crm_erasures']);
  });

  it('is found by its bytes where it can not be decoded, and the others are told as unreadable', async () => {
    const { pool, send, drain, erase, topic } = await setUp();
    const { client, schemaIds } = await createTestTopics();
    const cutOff = (email: string) => wireLead(schemaIds.leads, 'x', { email }).subarray(0, 80);
    await produce(
      client,
      [CANARY, 'nobody@leak.example'].map((email) => ({ topic, partition: 0, key: null, value: cutOff(email) })),
    );
    await send([]);
    await drain([topic]);
    const report = await erase(SUBJECT);
    expect(report.verification).toMatchObject({ left: 0, unreadable: 1 });
    expect(await tablesWith(pool, CANARY)).toEqual([]);
  });
});
