import { randomUUID } from 'node:crypto';
import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Batch, ClaimedRange } from '../../activities/ports.ts';
import { createErasureStore } from '../../adapters/postgres/erasures.ts';
import { notSearched } from '../../domain/erasure-limits.ts';
import type { StagedEvent } from '../../domain/staging.ts';
import { batchOf, contact, lead, opportunity } from '../helpers/batches.ts';
import { claimPartitions, createTestStore, openTestLane } from '../helpers/lane-store.ts';
import { createEraser, tablesWith } from './erasure-harness.ts';

const CANARY = 'Canary.7f3e@Leak.Example';
const SUBJECT = { kind: 'email', email: 'canary.7f3e@leak.example ' } as const;
const LIMITS = { failedRawKeepDays: 30, foldsUnicode: true, requestsInUse: 0 };
const anyRow = z.record(z.string(), z.unknown());

/** A database with these events, and an eraser over it. */
async function setUp(events: Array<StagedEvent | 'bad'>, change: (batch: Batch) => void = () => {}) {
  const { pool, store, runId } = await createTestStore();
  const lane = await openTestLane(store);
  const [range] = (await claimPartitions(lane, runId, 'crm.events')) as [ClaimedRange];
  const batch = batchOf(range, events, runId);
  change(batch);
  await lane.writer.write(batch);
  const rows = (table: 'leads' | 'contacts' | 'opportunities') =>
    pool.any(sql.type(anyRow)`
      SELECT * FROM ${sql.identifier(['analytics', `crm_${table}_staging`])} ORDER BY event_id`);
  const erased = () =>
    pool.anyFirst(sql.type(z.object({ id: z.string() }))`
      SELECT event_id AS id FROM analytics.crm_event_ledger WHERE erased_by IS NOT NULL ORDER BY 1`);
  return { ...createEraser(pool), pool, rows, erased };
}

/** Two people: one is known by an address, once with another one; the other has nothing to do with it. */
const PEOPLE = [
  lead('a', { leadId: 'l-1', email: CANARY }),
  lead('b', { leadId: 'l-1', email: 'another@leak.example', metadata: '{"note":"same person"}' }),
  contact('c', { contactId: 'c-1', email: CANARY.toUpperCase(), leadId: 'l-9', company: 'Leak Ltd' }),
  lead('d', { leadId: 'l-2' }),
  contact('e', { contactId: 'c-2', leadId: 'l-1' }),
  opportunity('f', { leadId: 'l-1', contactId: 'c-1' }),
  lead('g', { leadId: 'l-1', organizationId: 'org-2' }),
];

describe('erasing a person by e-mail address', () => {
  it('deletes all that their records say, cuts links to them, and leaves others alone', async () => {
    const { pool, erase, rows, erased } = await setUp(PEOPLE);
    const report = await erase(SUBJECT);
    expect((await rows('leads')).map(({ event_id: id }) => id)).toEqual(['d', 'g']);
    expect(await rows('contacts')).toMatchObject([{ event_id: 'e', lead_id: expect.stringMatching(/^erased-/) }]);
    expect(await rows('opportunities')).toMatchObject([
      { lead_id: expect.stringMatching(/^erased-/), contact_id: expect.stringMatching(/^erased-/) },
    ]);
    expect(await erased()).toEqual(['a', 'b', 'c']);
    expect(report).toMatchObject({
      verdict: 'erased',
      records: 2,
      verification: { left: 0, held: 0, unreadable: 0 },
      suppression: { version: 2, identifiers: 3 },
    });
    expect(sumOf(report, 'deleted')).toBe(3);
    expect(sumOf(report, 'unlinked')).toBe(3);
    expect(await tablesWith(pool, CANARY)).toEqual([]);
    expect(JSON.stringify(report).toLowerCase()).not.toContain('canary');
  });

  it('keeps rows without what is personal, and counts by person, where they are pseudonymized', async () => {
    const { pool, erase, rows, erased } = await setUp(PEOPLE);
    const report = await erase(SUBJECT, 'pseudonymize');
    const gone = {
      first_name: null,
      last_name: null,
      email: null,
      phone: null,
      company: null,
      title: null,
      metadata: null,
    };
    const leads = await rows('leads');
    expect(leads.slice(0, 2)).toMatchObject([gone, gone]);
    expect(leads[0]?.lead_id).toMatch(/^erased-/);
    expect(leads[1]?.lead_id).toBe(leads[0]?.lead_id);
    expect(leads.slice(2)).toMatchObject([{ lead_id: 'l-2' }, { lead_id: 'l-1', first_name: 'Ada' }]);
    const [person, other] = await rows('contacts');
    expect(person).toMatchObject({ ...gone, lead_id: null });
    expect(other).toMatchObject({ first_name: 'Ada', lead_id: leads[0]?.lead_id });
    const [deal] = await rows('opportunities');
    expect(deal).toMatchObject({
      name: 'Analytical engine',
      lead_id: leads[0]?.lead_id,
      contact_id: person?.contact_id,
    });
    expect(await erased()).toEqual([]);
    expect(sumOf(report, 'pseudonymized')).toBe(3);
    expect(await tablesWith(pool, CANARY)).toEqual([]);
  });

  it('finds them in DEFAULT partitions, in archives and in rows that were overwritten', async () => {
    const { pool, erase, erased } = await setUp([lead('a', { leadId: 'l-1', email: CANARY })]);
    await pool.query(sql.unsafe`
      CREATE TABLE analytics_archive.crm_leads_staging_p2019_r1 AS SELECT * FROM analytics.crm_leads_staging`);
    await pool.query(sql.unsafe`UPDATE analytics_archive.crm_leads_staging_p2019_r1 SET event_id = 'archived'`);
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_leads_staging
      SELECT (jsonb_populate_record(s, '{"event_id": "default", "event_timestamp": "2011-01-01T00:00:00Z"}')).*
      FROM analytics.crm_leads_staging s`);
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_overwritten_rows (entity, event_id, organization_id, row, replaced_by)
      SELECT 1, event_id, organization_id, to_jsonb(s), ${randomUUID()}::uuid FROM analytics.crm_leads_staging s
      UNION ALL
      SELECT 3, 'o', 'org-1', '{"opportunity_id": "o-1", "lead_id": "l-1"}', ${randomUUID()}::uuid`);
    expect(await tablesWith(pool, CANARY)).toHaveLength(4);
    const report = await erase(SUBJECT);
    expect(await tablesWith(pool, CANARY)).toEqual([]);
    expect(await tablesWith(pool, '"l-1"')).toEqual([]);
    const places = Object.fromEntries(report.places.map(({ place, what, rows }) => [`${what} ${place}`, rows]));
    expect(places).toMatchObject({
      'deleted crm_leads_staging_p2019_r1': 1,
      'deleted crm_leads_staging_default': 1,
      'deleted crm_overwritten_rows': 2,
      'unlinked crm_overwritten_rows': 1,
    });
    // What was archived counts as retired already.
    expect(await erased()).toEqual(['a']);
  });

  it('finds the address however it is written, and says so where PostgreSQL can not', async () => {
    const subject = { kind: 'email', email: 'j\u00f6rg@leak.example' } as const;
    const written = ['J\u00d6RG@leak.example', '\ufeffjo\u0308rg@leak.example\u00a0', 'JO\u0308RG@LEAK.example\u2003'];
    const people = written.map((email, index) => lead(`a${index}`, { leadId: `l-${index}`, email }));
    const { erase, rows } = await setUp([...people, lead('z', { leadId: 'l-9', email: 'jorg@leak.example' })]);
    const report = await erase(subject);
    expect((await rows('leads')).map(({ event_id: id }) => id)).toEqual(['z']);
    expect(report.notSearched).toEqual(notSearched(LIMITS));

    const without = await setUp([lead('a', { email: subject.email })]);
    await without.pool.query(sql.unsafe`DROP COLLATION pg_catalog."und-x-icu"`);
    const limited = await without.erase(subject);
    expect(await without.rows('leads')).toEqual([]);
    expect(limited.notSearched).toEqual(notSearched({ ...LIMITS, foldsUnicode: false }));
  });

  it('changes nothing when it is done again', async () => {
    const { erase, rows } = await setUp(PEOPLE);
    await erase(SUBJECT);
    const before = await rows('opportunities');
    const again = await erase(SUBJECT);
    expect(again).toMatchObject({ verdict: 'erased', places: [], suppression: { version: 2, identifiers: 0 } });
    expect(await rows('opportunities')).toEqual(before);
  });
});

describe('erasing by ids and by organization', () => {
  it('takes the ids of one organization alone', async () => {
    const { erase, rows } = await setUp(PEOPLE);
    await erase({ kind: 'records', entity: 'lead', ids: ['l-1'], organizationId: 'org-2' });
    expect((await rows('leads')).map(({ event_id: id }) => id)).toEqual(['a', 'b', 'd']);
    expect(await rows('opportunities')).toMatchObject([{ lead_id: 'l-1' }]);
  });

  it('takes the ids of all organizations where none is named', async () => {
    const { erase, rows } = await setUp(PEOPLE);
    await erase({ kind: 'records', entity: 'lead', ids: ['l-1'], organizationId: null });
    expect((await rows('leads')).map(({ event_id: id }) => id)).toEqual(['d']);
  });

  it('takes all of an organization', async () => {
    const { erase, rows } = await setUp(PEOPLE);
    const report = await erase({ kind: 'organization', organizationId: 'org-1' });
    expect(await rows('leads')).toMatchObject([{ event_id: 'g' }]);
    expect(await rows('contacts')).toEqual([]);
    expect(await rows('opportunities')).toEqual([]);
    expect(sumOf(report, 'deleted')).toBe(6);
  });
});

describe('requests of people', () => {
  /** A redrive with a rule and a replay with a filter. */
  async function withRequests(fix: object, filter: object, status: 'finished' | 'running' = 'finished') {
    const setup = await setUp([lead('a', { leadId: 'l-1', email: CANARY })]);
    await setup.pool.query(sql.unsafe`
      INSERT INTO analytics.crm_redrives
        (redrive_id, action, filter, fix, rate_per_second, status, last_failed_id, total, requested_by)
      VALUES (${randomUUID()}, 'redrive', ${JSON.stringify(filter)}::jsonb, ${JSON.stringify(fix)}::jsonb, 1,
        ${status}, 0, 0, 'ann')`);
    await setup.pool.query(sql.unsafe`
      INSERT INTO analytics.crm_replays (replay_id, kind, source, mode, selection, filter, lanes, status, requested_by)
      VALUES (${randomUUID()}, 'replay', 'kafka', 'missing', '{}', ${JSON.stringify(filter)}::jsonb, 1, ${status}, 'ann')`);
    const requested = () =>
      setup.pool.one(sql.type(anyRow)`
        SELECT r.fix ->> 'value' AS value, r.filter AS redriven, p.filter AS replayed
        FROM analytics.crm_redrives r, analytics.crm_replays p`);
    return { ...setup, requested };
  }

  it('name the person no more', async () => {
    const fix = { field: 'data.email', op: 'replace', value: CANARY };
    const { pool, erase, requested } = await withRequests(fix, { organizationId: 'org-1', entityId: 'l-1' });
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_replays SET selection = jsonb_build_object(
        'reading', jsonb_build_object('csv', jsonb_build_object('constants', jsonb_build_object('email', ${CANARY}::text)))
      )`);
    const report = await erase(SUBJECT);
    expect(await tablesWith(pool, CANARY)).toEqual([]);
    expect(await requested()).toMatchObject({
      value: 'erased',
      replayed: { organizationId: 'org-1', entityId: 'erased' },
    });
    expect(sumOf(report, 'redacted')).toBe(3);
  });

  it('that have not ended go on with what they name, and the report says so', async () => {
    const fix = { field: 'data.email', op: 'replace', value: CANARY };
    const { erase, requested } = await withRequests(fix, { organizationId: 'org-1', entityId: 'l-1' }, 'running');
    const report = await erase(SUBJECT);
    expect(await requested()).toMatchObject({ value: CANARY, replayed: { entityId: 'l-1' } });
    expect(sumOf(report, 'redacted')).toBe(0);
    expect(report.notSearched).toEqual(notSearched({ ...LIMITS, requestsInUse: 2 }));
  });

  it('of another organization name their own record by the same id still', async () => {
    const fix = { field: 'data.leadId', op: 'replace', value: 'l-1' };
    const filter = { organizationId: 'org-2', entityId: 'l-1' };
    const { erase, requested } = await withRequests(fix, filter);
    const report = await erase({ kind: 'records', entity: 'lead', ids: ['l-1'], organizationId: 'org-1' });
    expect(await requested()).toMatchObject({ value: 'l-1', replayed: filter });
    expect(sumOf(report, 'redacted')).toBe(0);
    await erase({ kind: 'records', entity: 'lead', ids: ['l-1'], organizationId: null });
    expect(await requested()).toMatchObject({ value: 'erased', replayed: { entityId: 'erased' } });
  });

  it('name the organization no more', async () => {
    const fix = { field: 'data.source', op: 'replace', value: 'l-1' };
    const { erase, requested } = await withRequests(fix, { organizationId: 'org-1' });
    await erase({ kind: 'organization', organizationId: 'org-1' });
    expect(await requested()).toEqual({
      value: 'l-1',
      redriven: { organizationId: 'erased' },
      replayed: { organizationId: 'erased' },
    });
  });

  it('lose a link to an erased record that a rule would put in, and no value that only looks like it', async () => {
    const subject = { kind: 'records', entity: 'lead', ids: ['l-1'], organizationId: null } as const;
    const link = await withRequests({ field: 'data.leadId', op: 'replace', value: 'l-1' }, {});
    await link.erase({ ...subject, ids: ['l-1'] });
    expect(await link.requested()).toMatchObject({ value: 'erased' });
    const other = await withRequests({ field: 'data.source', op: 'replace', value: 'l-1' }, {});
    await other.erase({ ...subject, ids: ['l-1'] });
    expect(await other.requested()).toMatchObject({ value: 'l-1' });
  });
});

describe('a legal hold', () => {
  it("keeps an organization's rows, and the report says so", async () => {
    const { pool, erase, rows } = await setUp([
      lead('a', { leadId: 'l-1', email: CANARY }),
      lead('b', { leadId: 'l-1', email: CANARY, organizationId: 'org-2' }),
    ]);
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_legal_holds (organization_id, reason, placed_by) VALUES ('org-2', 'court', 'ann')`);
    const report = await erase(SUBJECT);
    expect(await rows('leads')).toMatchObject([{ event_id: 'b', email: CANARY }]);
    expect(report).toMatchObject({ verdict: 'held', verification: { left: 0, held: 1 } });
  });
});

describe('a request', () => {
  it('forgets whom it was about when it ends, whichever way', async () => {
    const { pool, run, activities, request, requests } = await setUp([lead('a')]);
    const erasureId = await request({ kind: 'records', entity: 'lead', ids: ['canary'], organizationId: null });
    expect(await createErasureStore(pool).unfinished(0, 9)).toEqual([erasureId]);
    expect(await createErasureStore(pool).unfinished(60_000, 9)).toEqual([]);
    await run(activities.suppressSubject, { erasureId });
    expect(await tablesWith(pool, 'canary')).toEqual(['crm_erasures', 'crm_erasure_records']);
    await run(activities.failErasure, { erasureId, failure: 'no reason' });
    expect(await tablesWith(pool, 'canary')).toEqual([]);
    expect(await createErasureStore(pool).unfinished(0, 9)).toEqual([]);
    expect(await requests.find(erasureId)).toMatchObject({ status: 'failed', failure: 'no reason', report: null });
    await expect(run(activities.eraseTables, { erasureId })).rejects.toMatchObject({ type: 'UnknownErasure' });
  });
});

function sumOf({ places }: { places: ReadonlyArray<{ what: string; rows: number }> }, what: string): number {
  return places.reduce((sum, place) => sum + (place.what === what ? place.rows : 0), 0);
}
