/**
 * The writer's one statement. It is a transaction by itself (one round trip, and nothing stays open when a worker dies):
 * position, ledger, staging, events log, failed events and chain, all or nothing.
 *
 *   slice      what moves: one row per claimed range
 *   fence      compare-and-set of the positions; `fenced` raises unless all of them matched
 *   delivery   one row per record
 *   won        ids that are new: the ledger decides, first delivery of each id in id order (crossing ids of two lanes
 *              then wait for each other instead of deadlocking)
 *   outcome    what became of each delivery; a loser is told apart by the ledger's winner
 *   leads …    staging rows of the winners, found by their coordinates (an id may stand twice in a batch)
 *   logged     one row per delivery, none for a delivery that is read again
 *   kept       failed events with their raw bytes
 *   chain      the books
 */
import { type DatabasePoolConnection, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { type Batch, type BatchResult, type BatchSlice, WriteError } from '../../activities/ports.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { plainArray, textArray } from './array-literal.ts';
import { toColumns } from './batch-columns.ts';
import { guarded } from './errors.ts';

const sliceCounts = z.object({
  stored: z.number(),
  skipped: z.number(),
  conflicts: z.number(),
  filtered: z.number(),
  failed: z.number(),
  dead: z.number(),
  tombstones: z.number(),
  absent: z.number(),
});

const writtenRow = z.object({
  slices: z.array(sliceCounts),
  events: z.array(
    z.object({
      eventType: z.enum([...EVENT_TYPES, 'unknown']),
      outcome: z.enum(['processed', 'skipped', 'conflict', 'filtered', 'failed', 'dead']),
      count: z.number(),
    }),
  ),
});

type Plain = ReadonlyArray<string | number | null>;

const ints = (values: Plain) => sql.fragment`${plainArray(values)}::int4[]`;
const bigints = (values: Plain) => sql.fragment`${plainArray(values)}::int8[]`;
const uuids = (values: Plain) => sql.fragment`${plainArray(values)}::uuid[]`;
const texts = (values: ReadonlyArray<string | null>) => sql.fragment`${textArray(values)}::text[]`;

function sliceColumn<T extends string | number | null>(
  slices: readonly BatchSlice[],
  pick: (slice: BatchSlice) => T,
): T[] {
  return slices.map(pick);
}

/**
 * Writes a batch in one statement.
 * @throws FencedError when a range is held by another lane, or no longer where the batch begins
 * @throws WriteError when PostgreSQL refuses
 */
export async function writeBatch(connection: DatabasePoolConnection, batch: Batch): Promise<BatchResult> {
  try {
    return await guarded(() => connection.one(batchStatement(batch, FIRST_READ)));
  } catch (error) {
    if (!isLogged(error)) {
      throw error;
    }
    return guarded(() => connection.one(batchStatement(batch, READ_AGAIN)));
  }
}

/**
 * What happens to a delivery that has its row in the log already. That takes a seek or a second reader, so the batch is
 * first written as if there were none: looking for a conflict costs each row a speculative insertion.
 */
const FIRST_READ = sql.fragment``;
/** What failed then may be fine now; everything else stays as it was logged. */
const READ_AGAIN = sql.fragment`
  ON CONFLICT (topic, partition, "offset", event_timestamp, topic_incarnation) DO UPDATE
    SET processing_status = excluded.processing_status, error_message = excluded.error_message,
        event_id = excluded.event_id, event_type = excluded.event_type, organization_id = excluded.organization_id,
        ingestion_id = excluded.ingestion_id, processed_at = excluded.processed_at, metadata = excluded.metadata
    WHERE log.processing_status IN ('failed', 'dead')
`;

/** Whether a batch was refused because the log has one of its deliveries: each partition has such a key. */
function isLogged(error: unknown): boolean {
  return (
    error instanceof WriteError && error.code === '23505' && /^crm_events_log.*_pkey$/.test(error.constraint ?? '')
  );
}

/** @see BatchWriter.committed */
export async function committedBatch(connection: DatabasePoolConnection, batch: Batch): Promise<BatchResult | null> {
  const { slices } = batch;
  const rows = await guarded(() =>
    connection.any(sql.type(sliceCounts)`
      SELECT b.stored, b.skipped, b.conflicts, b.filtered, b.failed, b.dead, b.tombstones, b.absent
      FROM unnest(
        ${bigints(sliceColumn(slices, (s) => s.range.positionId))},
        ${bigints(sliceColumn(slices, (s) => s.range.epoch))},
        ${bigints(sliceColumn(slices, (s) => s.from))},
        ${bigints(sliceColumn(slices, (s) => s.next))}
      ) WITH ORDINALITY AS s(position_id, epoch, from_offset, next_offset, slice)
      JOIN analytics.crm_batches b USING (position_id, epoch, from_offset, next_offset)
      ORDER BY s.slice
    `),
  );
  return rows.length === slices.length ? { slices: [...rows], events: [] } : null;
}

function batchStatement(batch: Batch, whenLogged: FragmentSqlToken) {
  const { slices } = batch;
  const { deliveries: d, leads, contacts, opportunities, rejected, tombstones } = toColumns(batch);
  return sql.type(writtenRow)`
    WITH slice AS MATERIALIZED (
      SELECT * FROM unnest(
        ${bigints(sliceColumn(slices, (s) => s.range.positionId))},
        ${bigints(sliceColumn(slices, (s) => s.range.epoch))},
        ${ints(sliceColumn(slices, (s) => s.range.sourceId))},
        ${texts(sliceColumn(slices, (s) => s.range.topic))},
        ${ints(sliceColumn(slices, (s) => s.range.incarnation))},
        ${ints(sliceColumn(slices, (s) => s.range.partition))},
        ${bigints(sliceColumn(slices, (s) => s.from))},
        ${bigints(sliceColumn(slices, (s) => s.next))},
        ${bigints(sliceColumn(slices, (s) => s.records))},
        ${bigints(tombstones)},
        ${bigints(sliceColumn(slices, (s) => s.absent))},
        ${bigints(sliceColumn(slices, (s) => s.last?.offset ?? null))},
        ${bigints(sliceColumn(slices, (s) => s.last?.timestamp ?? null))},
        ${bigints(sliceColumn(slices, (s) => s.last?.checksum ?? null))}
      ) WITH ORDINALITY AS s(
        position_id, epoch, source_id, topic, incarnation, partition, from_offset, next_offset, records, tombstones,
        absent, last_offset, last_timestamp, last_checksum, slice
      )
    ),
    fence AS (
      UPDATE analytics.crm_positions p
      SET next_offset = s.next_offset,
          last_offset = COALESCE(s.last_offset, p.last_offset),
          last_timestamp = COALESCE(s.last_timestamp, p.last_timestamp),
          last_checksum = COALESCE(s.last_checksum, p.last_checksum),
          updated_at = clock_timestamp()
      FROM slice s
      WHERE p.position_id = s.position_id AND p.epoch = s.epoch AND p.next_offset = s.from_offset
      RETURNING 1
    ),
    fenced AS MATERIALIZED (
      SELECT analytics.crm_assert_fence((SELECT count(*) FROM fence), ${slices.length}) AS held
    ),
    delivery AS MATERIALIZED (
      SELECT d.ord, d.slice, d."offset", d.status, d.event_id COLLATE "C" AS event_id, d.event_type,
             d.organization_id COLLATE "C" AS organization_id,
             to_timestamp(d.event_ms::double precision / 1000) AS event_timestamp, d.entity, d.content_hash, d.id,
             d.error, s.source_id, s.topic, s.incarnation, s.partition
      FROM fenced
      CROSS JOIN unnest(
        ${ints(d.slice)}, ${bigints(d.offset)}, ${texts(d.status)}, ${texts(d.eventId)}, ${texts(d.eventType)},
        ${texts(d.organizationId)}, ${bigints(d.eventTimestamp)}, ${ints(d.entity)}, ${bigints(d.contentHash)},
        ${uuids(d.id)}, ${texts(d.error)}
      ) WITH ORDINALITY AS d(
        slice, "offset", status, event_id, event_type, organization_id, event_ms, entity, content_hash, id, error, ord
      )
      JOIN slice s ON s.slice = d.slice
    ),
    won AS (
      INSERT INTO analytics.crm_event_ledger (
        event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, run_id, content_hash
      )
      SELECT DISTINCT ON (event_id)
        event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, ${batch.runId}::uuid,
        content_hash
      FROM delivery
      WHERE status = 'stage'
      ORDER BY event_id, ord
      ON CONFLICT (event_id) DO NOTHING
      RETURNING event_id, organization_id, source_id, partition, "offset", content_hash
    ),
    outcome AS MATERIALIZED (
      SELECT d.ord, d.slice, d.topic, d.incarnation, d.source_id, d.partition, d."offset", d.event_id, d.event_type,
        d.organization_id, d.event_timestamp, d.id, d.error,
        CASE
          WHEN d.status <> 'stage' THEN d.status
          WHEN (w.source_id, w.partition, w."offset") = (d.source_id, d.partition, d."offset") THEN 'processed'
          ELSE 'skipped'
        END AS status,
        CASE
          WHEN d.status <> 'stage' THEN NULL
          WHEN w.event_id IS NOT NULL THEN
            CASE
              WHEN (w.source_id, w.partition, w."offset") = (d.source_id, d.partition, d."offset") THEN NULL
              WHEN (w.organization_id, w.content_hash) = (d.organization_id, d.content_hash) THEN 'duplicate'
              ELSE 'conflict'
            END
          WHEN l.source_id IS NULL THEN 'unresolved'
          WHEN (l.source_id, l.partition, l."offset") = (d.source_id, d.partition, d."offset") THEN 'reread'
          WHEN (l.organization_id, l.content_hash) = (d.organization_id, d.content_hash) THEN 'duplicate'
          ELSE 'conflict'
        END AS reason
      FROM delivery d
      LEFT JOIN won w ON w.event_id = d.event_id AND d.status = 'stage'
      LEFT JOIN LATERAL (
        SELECT known.organization_id, known.source_id, known.partition, known."offset", known.content_hash
        FROM analytics.crm_event_ledger known
        WHERE d.status = 'stage' AND w.event_id IS NULL AND known.event_id = d.event_id
        OFFSET 0 -- one look-up by key for each loser, never a join with the whole ledger
      ) l ON true
    ),
    leads AS (
      INSERT INTO analytics.crm_leads_staging (
        id, event_id, lead_id, first_name, last_name, email, phone, company, title, source, status, score, assigned_to,
        created_at, updated_at, organization_id, event_timestamp, event_type, metadata, ingestion_id
      )
      SELECT d.id, d.event_id, i.lead_id, i.first_name, i.last_name, i.email, i.phone, i.company, i.title, i.source,
        i.status, i.score, i.assigned_to, to_timestamp(i.created_ms::double precision / 1000),
        to_timestamp(i.updated_ms::double precision / 1000), d.organization_id, d.event_timestamp, d.event_type,
        i.metadata::jsonb, ${batch.runId}::uuid
      FROM unnest(
        ${bigints(leads.ord)}, ${texts(leads.leadId)}, ${texts(leads.firstName)},
        ${texts(leads.lastName)}, ${texts(leads.email)}, ${texts(leads.phone)}, ${texts(leads.company)},
        ${texts(leads.title)}, ${texts(leads.source)}, ${texts(leads.status)}, ${ints(leads.score)},
        ${texts(leads.assignedTo)}, ${bigints(leads.createdAt)}, ${bigints(leads.updatedAt)}, ${texts(leads.metadata)}
      ) AS i(
        ord, lead_id, first_name, last_name, email, phone, company, title, source, status, score, assigned_to,
        created_ms, updated_ms, metadata
      )
      JOIN outcome d ON d.ord = i.ord AND d.status = 'processed'
      RETURNING 1
    ),
    contacts AS (
      INSERT INTO analytics.crm_contacts_staging (
        id, event_id, contact_id, first_name, last_name, email, phone, company, title, lead_id, created_at, updated_at,
        organization_id, event_timestamp, event_type, metadata, ingestion_id
      )
      SELECT d.id, d.event_id, i.contact_id, i.first_name, i.last_name, i.email, i.phone, i.company, i.title, i.lead_id,
        to_timestamp(i.created_ms::double precision / 1000), to_timestamp(i.updated_ms::double precision / 1000),
        d.organization_id, d.event_timestamp, d.event_type, i.metadata::jsonb, ${batch.runId}::uuid
      FROM unnest(
        ${bigints(contacts.ord)}, ${texts(contacts.contactId)}, ${texts(contacts.firstName)},
        ${texts(contacts.lastName)}, ${texts(contacts.email)}, ${texts(contacts.phone)}, ${texts(contacts.company)},
        ${texts(contacts.title)}, ${texts(contacts.leadId)}, ${bigints(contacts.createdAt)},
        ${bigints(contacts.updatedAt)}, ${texts(contacts.metadata)}
      ) AS i(
        ord, contact_id, first_name, last_name, email, phone, company, title, lead_id, created_ms, updated_ms, metadata
      )
      JOIN outcome d ON d.ord = i.ord AND d.status = 'processed'
      RETURNING 1
    ),
    opportunities AS (
      INSERT INTO analytics.crm_opportunities_staging (
        id, event_id, opportunity_id, name, lead_id, contact_id, amount, currency, stage, probability,
        expected_close_date, created_at, updated_at, organization_id, event_timestamp, event_type, metadata, ingestion_id
      )
      SELECT d.id, d.event_id, i.opportunity_id, i.name, i.lead_id, i.contact_id, i.amount::numeric, i.currency, i.stage,
        i.probability, DATE '1970-01-01' + i.close_day, to_timestamp(i.created_ms::double precision / 1000),
        to_timestamp(i.updated_ms::double precision / 1000), d.organization_id, d.event_timestamp, d.event_type,
        i.metadata::jsonb, ${batch.runId}::uuid
      FROM unnest(
        ${bigints(opportunities.ord)}, ${texts(opportunities.opportunityId)},
        ${texts(opportunities.name)}, ${texts(opportunities.leadId)}, ${texts(opportunities.contactId)},
        ${texts(opportunities.amount)}, ${texts(opportunities.currency)}, ${texts(opportunities.stage)},
        ${ints(opportunities.probability)}, ${ints(opportunities.expectedCloseDate)}, ${bigints(opportunities.createdAt)},
        ${bigints(opportunities.updatedAt)}, ${texts(opportunities.metadata)}
      ) AS i(
        ord, opportunity_id, name, lead_id, contact_id, amount, currency, stage, probability, close_day, created_ms,
        updated_ms, metadata
      )
      JOIN outcome d ON d.ord = i.ord AND d.status = 'processed'
      RETURNING 1
    ),
    logged AS (
      INSERT INTO analytics.crm_events_log AS log (
        id, event_id, event_type, topic, partition, "offset", organization_id, event_timestamp, processing_status,
        error_message, ingestion_id, metadata, topic_incarnation
      )
      SELECT id, event_id, event_type, topic, partition, "offset", organization_id, event_timestamp, status, error,
        ${batch.runId}::uuid, CASE WHEN reason IS NOT NULL THEN jsonb_build_object('reason', reason) END, incarnation
      FROM outcome
      WHERE reason IS DISTINCT FROM 'reread'
      ${whenLogged}
      RETURNING 1
    ),
    kept AS (
      INSERT INTO analytics.crm_failed_events (
        source_id, topic, partition, "offset", status, error_code, error_message, event_id, event_type, organization_id,
        event_timestamp, record_timestamp, schema_id, key, value, headers, run_id
      )
      SELECT d.source_id, d.topic, d.partition, d."offset", d.status, i.code, d.error, d.event_id, d.event_type,
        d.organization_id, d.event_timestamp, i.record_ms, i.schema_id, decode(i.key, 'base64'),
        decode(i.value, 'base64'), i.headers::jsonb, ${batch.runId}::uuid
      FROM unnest(
        ${bigints(rejected.ord)}, ${texts(rejected.code)}, ${bigints(rejected.recordTimestamp)},
        ${ints(rejected.schemaId)}, ${texts(rejected.key)}, ${texts(rejected.value)}, ${texts(rejected.headers)}
      ) AS i(ord, code, record_ms, schema_id, key, value, headers)
      JOIN outcome d ON d.ord = i.ord
      ON CONFLICT (source_id, partition, "offset") DO UPDATE
        SET status = excluded.status, error_code = excluded.error_code, error_message = excluded.error_message,
            run_id = excluded.run_id, updated_at = clock_timestamp()
      RETURNING 1
    ),
    tally AS MATERIALIZED (
      SELECT slice,
        count(*) FILTER (WHERE status = 'processed') AS stored,
        count(*) FILTER (WHERE status = 'skipped') AS skipped,
        count(*) FILTER (WHERE reason = 'conflict') AS conflicts,
        count(*) FILTER (WHERE status = 'filtered') AS filtered,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        count(*) FILTER (WHERE status = 'dead') AS dead
      FROM outcome
      GROUP BY slice
    ),
    chain AS (
      INSERT INTO analytics.crm_batches (
        position_id, epoch, from_offset, next_offset, records, stored, skipped, conflicts, filtered, failed, dead,
        tombstones, absent, run_id
      )
      SELECT s.position_id, s.epoch, s.from_offset, s.next_offset, s.records, COALESCE(t.stored, 0),
        COALESCE(t.skipped, 0), COALESCE(t.conflicts, 0), COALESCE(t.filtered, 0), COALESCE(t.failed, 0),
        COALESCE(t.dead, 0), s.tombstones, s.absent, ${batch.runId}::uuid
      FROM slice s
      LEFT JOIN tally t ON t.slice = s.slice
      RETURNING 1
    )
    SELECT
      (
        SELECT jsonb_agg(jsonb_build_object(
          'stored', COALESCE(t.stored, 0), 'skipped', COALESCE(t.skipped, 0), 'conflicts', COALESCE(t.conflicts, 0),
          'filtered', COALESCE(t.filtered, 0), 'failed', COALESCE(t.failed, 0), 'dead', COALESCE(t.dead, 0),
          'tombstones', s.tombstones, 'absent', s.absent
        ) ORDER BY s.slice)
        FROM slice s
        LEFT JOIN tally t ON t.slice = s.slice
      ) AS slices,
      (
        SELECT COALESCE(jsonb_agg(jsonb_build_object('eventType', c.event_type, 'outcome', c.outcome, 'count', c.count)), '[]')
        FROM (
          SELECT CASE WHEN event_type = ANY (${texts([...EVENT_TYPES])}) THEN event_type ELSE 'unknown' END AS event_type,
            CASE WHEN reason = 'conflict' THEN 'conflict' ELSE status END AS outcome, count(*) AS count
          FROM outcome
          GROUP BY 1, 2
        ) c
      ) AS events
    WHERE (SELECT held FROM fenced) AND analytics.crm_assert_written(
      (SELECT count(*) FROM outcome WHERE reason = 'unresolved'),
      (SELECT count(*) FROM won),
      (SELECT count(*) FROM leads) + (SELECT count(*) FROM contacts) + (SELECT count(*) FROM opportunities),
      (SELECT count(*) FROM outcome WHERE status IN ('failed', 'dead')),
      (SELECT count(*) FROM kept)
    )
  `;
}
