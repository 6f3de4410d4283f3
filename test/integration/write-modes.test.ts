import { randomUUID } from 'node:crypto';
import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  type Batch,
  type ClaimedRange,
  type Delivery,
  StaleSuppressionError,
  type WriteMode,
} from '../../activities/ports.ts';
import { dryRunBatch } from '../../adapters/postgres/dry-run.ts';
import type { StagedEvent } from '../../domain/staging.ts';
import { batchOf, contact, lead, opportunity, record } from '../helpers/batches.ts';
import { brokenBooksIn } from '../helpers/books.ts';
import { claimPartitions, createTestStore, ledgerFormerly, openTestLane } from '../helpers/lane-store.ts';

const anyRow = z.record(z.string(), z.unknown());
const NEXT_DAY = Date.UTC(2026, 10, 21, 12);

/** Events that were ingested from offset 0 on, and ranges of replays over the same offsets. */
async function createIngested(events: Array<StagedEvent | 'tombstone' | 'bad'>, topic = 'crm.events') {
  const { pool, store, runId } = await createTestStore();
  const lane = await openTestLane(store);
  const [live] = (await claimPartitions(lane, runId, topic)) as [ClaimedRange];
  await lane.writer.write(batchOf(live, events, runId));

  /** Reads offsets of the topic again, as a replay of its own. */
  async function replay(mode: WriteMode, again: Array<StagedEvent | 'bad'>, from = 0) {
    const replayId = randomUUID();
    await store.runs.start({ runId: replayId, kind: 'replay', scope: 'group' });
    const [range] = await lane.positions.claim({
      scope: replayId,
      runId: replayId,
      owner: 'test',
      ranges: [{ topic, partition: 0, initial: from, rangeStart: from, endOffset: from + again.length, topicId: null }],
    });
    const batch: Batch = { ...batchOf(range as ClaimedRange, again, replayId), mode };
    const { slices } = await lane.writer.write(batch);
    return { replayId, counts: slices[0], batch };
  }

  const rows = (table: 'leads' | 'contacts' | 'opportunities') =>
    pool.any(
      sql.type(anyRow)`SELECT * FROM ${sql.identifier(['analytics', `crm_${table}_staging`])} ORDER BY event_id`,
    );
  const log = () =>
    pool.any(sql.unsafe`
      SELECT "offset", processing_status AS status, metadata->>'reason' AS reason, ingestion_id AS "runId", schema_id AS "schemaId"
      FROM analytics.crm_events_log ORDER BY "offset"`);
  return { pool, lane, live, runId, replay, rows, log };
}

describe('mode missing', () => {
  it('stages what the ledger does not have and logs nothing of what it skips', async () => {
    const { replay, rows, log, runId } = await createIngested([lead('a'), 'bad', lead('a')]);
    const { counts, replayId } = await replay('missing', [lead('a'), 'bad', lead('a'), contact('new'), lead('new')]);
    expect(counts).toMatchObject({ stored: 1, skipped: 4, conflicts: 0, failed: 0, dead: 0, changed: 0 });
    expect(await rows('contacts')).toMatchObject([{ event_id: 'new', ingestion_id: replayId }]);
    expect(await log()).toMatchObject([
      { offset: 0, status: 'processed', runId },
      { offset: 1, status: 'dead', runId: replayId },
      { offset: 2, status: 'skipped', reason: 'duplicate', runId },
      { offset: 3, status: 'processed', runId: replayId },
    ]);
  });

  it('stages again what the ledger has forgotten, and the log says so', async () => {
    const { pool, replay, log } = await createIngested([lead('a'), lead('a')]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_event_ledger`);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging`);
    const { counts, replayId } = await replay('missing', [lead('a')], 1);
    expect(counts).toMatchObject({ stored: 1, skipped: 0 });
    expect(await log()).toMatchObject([
      { offset: 0, status: 'processed' },
      { offset: 1, status: 'processed', reason: null, runId: replayId },
    ]);
  });

  it('keeps what fails for the first time as a failed event, also beside one that failed before', async () => {
    const { pool, replay } = await createIngested(['bad']);
    const { counts } = await replay('missing', ['bad', 'bad']);
    expect(counts).toMatchObject({ skipped: 1, dead: 1 });
    expect(await pool.anyFirst(sql.unsafe`SELECT "offset" FROM analytics.crm_failed_events ORDER BY 1`)).toEqual([
      0, 1,
    ]);
  });
});

describe('mode missing where nearly all is known', () => {
  it('counts the same, stages what is new in between, and tells conflicts', async () => {
    const { pool, store, runId } = await createTestStore();
    const lane = await openTestLane(store);
    const [live] = (await claimPartitions(lane, runId, 'crm.events')) as [ClaimedRange];
    const events = [lead('a'), lead('b'), contact('c'), lead('a', { contentHash: 43 })];
    await lane.writer.write(batchOf(live, events, runId));
    const replayId = randomUUID();
    await store.runs.start({ runId: replayId, kind: 'replay', scope: 'group' });
    const [range] = await lane.positions.claim({
      scope: replayId,
      runId: replayId,
      owner: 'test',
      ranges: [{ topic: 'crm.events', partition: 0, initial: 0, rangeStart: 0, endOffset: 20, topicId: null }],
    });
    const read = async (from: number, again: Array<StagedEvent | 'tombstone' | 'bad'>) => {
      const batch: Batch = { ...batchOf({ ...range!, nextOffset: from }, again, replayId), mode: 'missing' };
      return (await lane.writer.write(batch)).slices[0];
    };
    expect(await read(0, events)).toMatchObject({ stored: 0, skipped: 4, conflicts: 1 });
    const mixed = [
      lead('a'),
      lead('new'),
      'tombstone',
      lead('b', { contentHash: 43 }),
      contact('c'),
      'bad',
      lead('new'),
    ] as const;
    const counts = { stored: 1, skipped: 4, conflicts: 1, tombstones: 1, dead: 1, failed: 0 };
    expect(await read(4, [...mixed])).toMatchObject(counts);
    // Half of them were not known: the next batch asks nothing first, and says the same.
    expect(await read(11, [lead('x'), lead('y')])).toMatchObject({ stored: 2, skipped: 0 });
    expect(await pool.anyFirst(sql.unsafe`SELECT event_id FROM analytics.crm_leads_staging ORDER BY 1`)).toEqual([
      'a',
      'b',
      'new',
      'x',
      'y',
    ]);
    expect(await brokenBooksIn(pool)).toEqual([]);
  });
});

describe('mode restore', () => {
  it('brings back rows that are gone, with the ids of their log rows, and nothing else', async () => {
    const events = [lead('a'), contact('b'), opportunity('c'), lead('d')];
    const { pool, replay, rows, runId } = await createIngested(events);
    const [before] = await rows('leads');
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE event_id = 'a'`);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_contacts_staging`);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_opportunities_staging`);
    const { counts, replayId } = await replay('restore', [...events, lead('unknown')]);
    expect(counts).toMatchObject({ stored: 0, skipped: 5, changed: 3 });
    const [restored, kept, ...others] = await rows('leads');
    expect(restored).toEqual({ ...before, ingestion_id: replayId, processed_at: expect.any(Number) });
    expect([kept, others]).toMatchObject([{ event_id: 'd', ingestion_id: runId }, []]);
    expect(await rows('contacts')).toMatchObject([{ event_id: 'b' }]);
    expect(await rows('opportunities')).toMatchObject([{ event_id: 'c', name: 'Analytical engine' }]);
    expect(await replay('restore', events)).toMatchObject({ counts: { changed: 0 } });
  });

  it.each([
    ['an event that was erased', sql.unsafe`UPDATE analytics.crm_event_ledger SET erased_by = run_id`],
    ['another content than was staged', sql.unsafe`UPDATE analytics.crm_event_ledger SET content_hash = 1`],
    ['a delivery that did not win', sql.unsafe`UPDATE analytics.crm_event_ledger SET "offset" = 7`],
  ])('does not bring back %s', async (_, change) => {
    const { pool, replay, rows } = await createIngested([lead('a')]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging`);
    await pool.query(change);
    expect(await replay('restore', [lead('a')])).toMatchObject({ counts: { skipped: 1, changed: 0 } });
    expect(await rows('leads')).toEqual([]);
  });

  it('keeps no failed event of what it can not read', async () => {
    const { pool, replay } = await createIngested([lead('a')]);
    expect(await replay('restore', ['bad', 'bad'])).toMatchObject({ counts: { skipped: 2, failed: 0, dead: 0 } });
    expect(await pool.exists(sql.unsafe`SELECT FROM analytics.crm_failed_events`)).toBe(false);
  });
});

describe('mode overwrite', () => {
  it('writes rows again that differ, keeps what they were, and leaves equal ones alone', async () => {
    const { pool, replay, rows, runId } = await createIngested([lead('a'), contact('b'), opportunity('c'), lead('d')]);
    const [before] = await rows('leads');
    const { counts, replayId } = await replay('overwrite', [
      lead('a', { score: 8, contentHash: 43 }),
      contact('b', { metadata: null }),
      opportunity('c', { amount: '5' }),
      lead('d'),
    ]);
    expect(counts).toMatchObject({ stored: 0, skipped: 4, changed: 3 });
    const leads = await rows('leads');
    expect(leads).toEqual([
      { ...before, score: 8, ingestion_id: replayId, processed_at: expect.any(Number) },
      expect.objectContaining({ event_id: 'd', ingestion_id: runId }),
    ]);
    expect(await rows('contacts')).toMatchObject([{ event_id: 'b', metadata: null }]);
    expect(await rows('opportunities')).toMatchObject([{ event_id: 'c', ingestion_id: replayId }]);
    const kept = await pool.any(sql.unsafe`
      SELECT entity, event_id, row->>'score' AS score, row->'metadata'->>'source' AS source, replaced_by
      FROM analytics.crm_overwritten_rows ORDER BY event_id`);
    expect(kept).toEqual([
      { entity: 1, event_id: 'a', score: '7', source: 'test', replaced_by: replayId },
      { entity: 2, event_id: 'b', score: null, source: 'test', replaced_by: replayId },
      { entity: 3, event_id: 'c', score: null, source: null, replaced_by: replayId },
    ]);
    expect(
      await pool.oneFirst(sql.unsafe`SELECT content_hash FROM analytics.crm_event_ledger WHERE event_id = 'a'`),
    ).toBe(43);
  });

  it('moves a row to another partition when its time differs now, and the ledger finds it', async () => {
    const { pool, replay, rows } = await createIngested([lead('a')]);
    const moved = lead('a', { eventTimestamp: NEXT_DAY, contentHash: 43 });
    expect(await replay('overwrite', [moved])).toMatchObject({ counts: { changed: 1 } });
    expect(await rows('leads')).toMatchObject([{ event_id: 'a', event_timestamp: NEXT_DAY }]);
    expect(
      await pool.oneFirst(
        sql.unsafe`SELECT event_timestamp AS at FROM analytics.crm_event_ledger WHERE event_id = 'a'`,
      ),
    ).toBe(NEXT_DAY);
    expect(await replay('overwrite', [moved])).toMatchObject({ counts: { changed: 0 } });
  });

  it('lets neither a duplicate replace the original nor the original a correction, and restores nothing', async () => {
    const { pool, replay, rows } = await createIngested([lead('a'), lead('a'), lead('b'), lead('c')]);
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_failed_events (
        source_id, topic, partition, "offset", status, error_code, error_message, event_timestamp, record_timestamp, run_id,
        correction
      )
      SELECT source_id, 'crm.events', 0, 2, 'resolved', 'undecodable', '', now(), 0, run_id, '{}'
      FROM analytics.crm_event_ledger WHERE event_id = 'b'`);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE event_id = 'c'`);
    const changed = { score: 8, contentHash: 43 };
    const { counts } = await replay('overwrite', [lead('a', changed), lead('b', changed), lead('c', changed)], 1);
    expect(counts).toMatchObject({ skipped: 3, changed: 0 });
    expect(await rows('leads')).toMatchObject([
      { event_id: 'a', score: 7 },
      { event_id: 'b', score: 7 },
    ]);
  });
});

describe('events that an earlier release wrote to the ledger', () => {
  const events = [lead('a'), contact('b'), opportunity('c'), lead('d')];
  const changed = lead('d', { score: 8, contentHash: 43 });

  async function createFormer() {
    const ingested = await createIngested(events);
    await ledgerFormerly(ingested.pool, ...events);
    const hashes = () =>
      ingested.pool.anyFirst(sql.unsafe`SELECT content_hash::text FROM analytics.crm_event_ledger ORDER BY event_id`);
    return { ...ingested, hashes, former: await hashes() };
  }

  it('are known in mode missing, also where nearly all is, and tell conflicts', async () => {
    const { replay, hashes, former } = await createFormer();
    // From offset 1 on, so that each is another delivery; the second time the ledger is asked first.
    for (const _ of ['first', 'second']) {
      const { counts } = await replay('missing', [lead('a'), changed, contact('b'), opportunity('c')], 1);
      expect(counts).toMatchObject({ stored: 0, skipped: 4, conflicts: 1 });
    }
    expect(await hashes()).toEqual(former);
  });

  it('are brought back in mode restore, but not with other content', async () => {
    const { pool, replay, rows } = await createFormer();
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging`);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_opportunities_staging`);
    const { counts } = await replay('restore', [
      lead('a'),
      contact('b'),
      opportunity('c'),
      changed,
      lead('a'),
      changed,
    ]);
    expect(counts).toMatchObject({ stored: 0, skipped: 6, conflicts: 1, changed: 2 });
    expect(await rows('leads')).toMatchObject([{ event_id: 'a' }]);
  });

  it('are left alone in mode overwrite where nothing differs, and have a hash of today where something does', async () => {
    const { replay, hashes, former, rows } = await createFormer();
    expect(await replay('overwrite', events)).toMatchObject({ counts: { skipped: 4, conflicts: 0, changed: 0 } });
    expect(await hashes()).toEqual(former);
    const { counts } = await replay('overwrite', [
      lead('a', { metadata: null }),
      contact('b'),
      contact('b', { contentHash: 43, title: 'Countess' }),
      changed,
      contact('b'),
    ]);
    expect(counts).toMatchObject({ skipped: 5, conflicts: 1, changed: 2 });
    expect(await rows('leads')).toMatchObject([
      { event_id: 'a', metadata: null },
      { event_id: 'd', score: 8 },
    ]);
    expect(await hashes()).toEqual(['42', former[1], former[2], '43']);
  });

  it('are what a dry run says', async () => {
    const { pool, live } = await createFormer();
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_contacts_staging`);
    const again = [lead('a'), contact('b'), changed, changed, lead('d'), lead('a')];
    expect(await dryRunBatch(pool, batchOf({ ...live, nextOffset: 0 }, again, randomUUID()))).toMatchObject({
      insert: { events: 0 },
      restore: { events: 1 },
      update: { events: 1 },
      ignore: { events: 3 },
      conflict: { events: 1, samples: [{ offset: 2 }] },
    });
  });
});

describe('deliveries that are passed over', () => {
  const passed = (reason: 'late' | 'suppressed', offset: number): Delivery => ({
    kind: 'passed',
    slice: 0,
    record: record(offset),
    reason,
    event: { eventId: `passed-${offset}`, organizationId: 'org-1', eventType: 'lead.created' },
    schemaId: 5,
  });

  it('are logged as filtered with the reason, by the time of their records, and nothing else is kept', async () => {
    const { pool, lane, live, runId, log, rows } = await createIngested([lead('a')]);
    const batch = batchOf({ ...live, nextOffset: 1 }, [lead('b'), lead('c')], runId);
    batch.deliveries = [passed('late', 1), passed('suppressed', 2)];
    expect((await lane.writer.write(batch)).slices).toMatchObject([{ stored: 0, filtered: 2 }]);
    expect(await log()).toMatchObject([
      { offset: 0, schemaId: 1 },
      { offset: 1, status: 'filtered', reason: 'late', schemaId: 5 },
      { offset: 2, status: 'filtered', reason: 'suppressed' },
    ]);
    expect(await rows('leads')).toHaveLength(1);
    expect(await pool.exists(sql.unsafe`SELECT FROM analytics.crm_failed_events`)).toBe(false);
  });

  it('that were staged when they were read first are skipped, and so are those that are refused now', async () => {
    const { pool, replay, lane, live, runId, log } = await createIngested([lead('a'), lead('b')]);
    const back = await lane.positions.jump({ ...live, nextOffset: 2 }, 0, 'seek', runId);
    const batch = batchOf(back, [lead('a'), lead('b')], runId);
    batch.deliveries = [
      { ...passed('late', 0), event: { eventId: 'a' } } as Delivery,
      {
        kind: 'rejected',
        slice: 0,
        record: record(1),
        rejection: { code: 'outside_retention', detail: 'timestamp: before the window for late events' },
        schemaId: 5,
        event: { eventId: 'b', organizationId: 'org-1', eventType: 'lead.created' },
      },
    ];
    expect((await lane.writer.write(batch)).slices).toMatchObject([{ skipped: 2, filtered: 0, dead: 0 }]);
    expect(await log()).toMatchObject([{ status: 'processed' }, { status: 'processed' }]);
    expect(await pool.exists(sql.unsafe`SELECT FROM analytics.crm_failed_events`)).toBe(false);
    expect(await replay('missing', [lead('a')])).toMatchObject({ counts: { skipped: 1 } });
  });
});

describe('the suppression list', () => {
  it.each<WriteMode>(['ingest', 'missing', 'restore', 'overwrite'])(
    'as it was refuses a batch of mode %s as a whole',
    async (mode) => {
      const { pool, lane, live, runId, rows } = await createIngested([lead('a')]);
      await pool.query(sql.unsafe`UPDATE analytics.crm_suppression_version SET version = 1`);
      const batch: Batch = { ...batchOf({ ...live, nextOffset: 1 }, [lead('b')], runId), mode };
      await expect(lane.writer.write(batch)).rejects.toThrow(StaleSuppressionError);
      expect(await rows('leads')).toHaveLength(1);
      expect(await lane.writer.write({ ...batch, suppression: 1 })).toMatchObject({ slices: [{ dead: 0 }] });
    },
  );
});
