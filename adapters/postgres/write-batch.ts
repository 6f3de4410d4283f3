/**
 * The writer's one statement. It is a transaction by itself (one round trip, and nothing stays open when a worker dies):
 * position, ledger, staging, events log, failed events and chain, all or nothing.
 *
 *   slice      what moves: one row per claimed range
 *   fence      compare-and-set of the positions; `fenced` raises unless all of them matched
 *   delivery   one row per record
 *   won …      see staging-steps.ts
 *   logged     one row per delivery, none for a delivery that is read again
 *   kept       failed events with their raw bytes
 *   parked     ranges that are left in Kafka
 *   chain      the books
 *
 * Deliveries that have failed before take a statement of their own kind, with the steps of settling-steps.ts. It finds
 * rows of the log to change, which the planner looks for in every partition; the usual one must not pay for that.
 */
import { type DatabasePoolConnection, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { type Batch, type BatchResult, type BatchSlice, WriteError } from '../../activities/ports.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { type BatchColumns, toColumns } from './batch-columns.ts';
import { chainSumsRow } from './chain-sums.ts';
import { bigints, ints, texts } from './column-fragments.ts';
import { guarded } from './errors.ts';
import { keptStep, RETRIES, rejectionStep, settlingSteps } from './settling-steps.ts';
import { DELIVERY_COLUMNS, deliveryRows, KEEP_AS_LOGGED, loggedStep, stagingSteps } from './staging-steps.ts';

const sliceCounts = chainSumsRow.omit({ records: true, batches: true });

const writtenRow = z.object({
  slices: z.array(sliceCounts),
  events: z.array(
    z.object({
      eventType: z.enum([...EVENT_TYPES, 'unknown']),
      outcome: z.enum(['processed', 'skipped', 'conflict', 'filtered', 'failed', 'dead']),
      count: z.number(),
    }),
  ),
  retries: z.array(z.object({ failedId: z.number(), attempts: z.number(), dueAt: z.number() })),
});

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
    if (!isKnown(error)) {
      throw error;
    }
    return guarded(async () => {
      const logged = await failedBefore(connection, batch.slices);
      return connection.one(batchStatement(batch, readAgain(logged, batch.runId)));
    });
  }
}

/** What differs between deliveries that are read for the first time and those that are read again. */
interface Reading {
  /** Steps between the fence and the deliveries. */
  claim: FragmentSqlToken;
  failedId: FragmentSqlToken;
  claimedJoin: FragmentSqlToken;
  whenLogged: FragmentSqlToken;
  settling: FragmentSqlToken[];
}

/**
 * That a delivery has its row in the log or has failed before takes a seek or a second reader, so the batch is first
 * written as if none had: looking for a conflict costs each row of the log a speculative insertion.
 */
const FIRST_READ: Reading = {
  claim: sql.fragment`
    first_read AS MATERIALIZED (
      SELECT analytics.crm_assert_first_read((
        SELECT count(*)
        FROM slice s
        JOIN analytics.crm_failed_events f ON f.source_id = s.source_id AND f.partition = s.partition
          AND f."offset" >= s.from_offset AND f."offset" < s.next_offset
      )) AS held
      FROM fenced
    )`,
  failedId: sql.fragment`NULL::bigint`,
  claimedJoin: sql.fragment`CROSS JOIN first_read`,
  whenLogged: sql.fragment``,
  settling: [],
};

/** What is logged already stays as it is, but for what failed then: that follows the outcome of this reading. */
function readAgain(logged: ReadonlyArray<{ offset: number; at: number }>, runId: string): Reading {
  return {
    claim: sql.fragment`
      claimed AS MATERIALIZED (
        SELECT f.failed_id, f.status AS was, f.event_timestamp AS logged_at, s.slice, f."offset"
        FROM fenced
        CROSS JOIN slice s
        JOIN analytics.crm_failed_events f ON f.source_id = s.source_id AND f.partition = s.partition
          AND f."offset" >= s.from_offset AND f."offset" < s.next_offset
        FOR UPDATE OF f
      )`,
    failedId: sql.fragment`c.failed_id`,
    claimedJoin: sql.fragment`LEFT JOIN claimed c ON c.slice = d.slice AND c."offset" = d."offset"`,
    whenLogged: KEEP_AS_LOGGED,
    settling: [settlingSteps({ runId, cause: 'reread', redriveId: null, logged })],
  };
}

/** Where the log has the deliveries of the slices that have failed before. */
async function failedBefore(connection: DatabasePoolConnection, slices: readonly BatchSlice[]) {
  const rows = await connection.any(sql.type(z.object({ offset: z.number(), at: z.number() }))`
    SELECT f."offset", f.event_timestamp AS at
    FROM unnest(
      ${ints(sliceColumn(slices, (s) => s.range.sourceId))}, ${ints(sliceColumn(slices, (s) => s.range.partition))},
      ${bigints(sliceColumn(slices, (s) => s.from))}, ${bigints(sliceColumn(slices, (s) => s.next))}
    ) AS s(source_id, partition, from_offset, next_offset)
    JOIN analytics.crm_failed_events f ON f.source_id = s.source_id AND f.partition = s.partition
      AND f."offset" >= s.from_offset AND f."offset" < s.next_offset
  `);
  return rows;
}

/** Whether a batch was refused because one of its deliveries is known: in the log, each partition of which has such a key. */
function isKnown(error: unknown): boolean {
  return (
    error instanceof WriteError &&
    (error.code === 'CF004' || (error.code === '23505' && /^crm_events_log.*_pkey$/.test(error.constraint ?? '')))
  );
}

/** @see BatchWriter.committed */
export async function committedBatch(connection: DatabasePoolConnection, batch: Batch): Promise<BatchResult | null> {
  const { slices } = batch;
  const rows = await guarded(() =>
    connection.any(sql.type(sliceCounts)`
      SELECT b.stored, b.skipped, b.conflicts, b.filtered, b.failed, b.dead, b.tombstones, b.absent, b.parked
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
  return rows.length === slices.length ? { slices: [...rows], events: [], retries: [] } : null;
}

function batchStatement(batch: Batch, reading: Reading) {
  const { slices } = batch;
  const columns = toColumns(batch);
  const { tombstones } = columns;
  const staging = stagingSteps(columns, batch.runId);
  const failing = failingSteps(columns, batch.runId, reading.settling.length > 0);
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
        ${bigints(parkedOf(columns, slices.length))},
        ${bigints(sliceColumn(slices, (s) => s.absent))},
        ${bigints(sliceColumn(slices, (s) => s.last?.offset ?? null))},
        ${bigints(sliceColumn(slices, (s) => s.last?.timestamp ?? null))},
        ${bigints(sliceColumn(slices, (s) => s.last?.checksum ?? null))}
      ) WITH ORDINALITY AS s(
        position_id, epoch, source_id, topic, incarnation, partition, from_offset, next_offset, records, tombstones,
        parked, absent, last_offset, last_timestamp, last_checksum, slice
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
    ${reading.claim},
    delivery AS MATERIALIZED (
      SELECT ${DELIVERY_COLUMNS}, ${reading.failedId} AS failed_id, s.source_id, s.topic, s.incarnation, s.partition
      FROM fenced
      CROSS JOIN ${deliveryRows(columns)}
      JOIN slice s ON s.slice = d.slice
      ${reading.claimedJoin}
    ),
    ${sql.join([...staging.steps, ...failing.steps, ...reading.settling, ...parkedSteps(columns, batch.runId)], COMMA)},
    ${loggedStep(batch.runId, reading.whenLogged)},
    tally AS MATERIALIZED (
      -- What was known before counts as skipped: the chain counted it when it was read first.
      SELECT slice,
        count(*) FILTER (WHERE status = 'processed' AND failed_id IS NULL) AS stored,
        count(*) FILTER (WHERE status = 'skipped' OR failed_id IS NOT NULL) AS skipped,
        count(*) FILTER (WHERE reason = 'conflict') AS conflicts,
        count(*) FILTER (WHERE status = 'filtered' AND failed_id IS NULL) AS filtered,
        count(*) FILTER (WHERE status = 'failed' AND failed_id IS NULL) AS failed,
        count(*) FILTER (WHERE status = 'dead' AND failed_id IS NULL) AS dead
      FROM outcome
      GROUP BY slice
    ),
    booked AS MATERIALIZED (
      SELECT s.slice, s.position_id, s.epoch, s.from_offset, s.next_offset, s.records, COALESCE(t.stored, 0) AS stored,
        COALESCE(t.skipped, 0) AS skipped, COALESCE(t.conflicts, 0) AS conflicts, COALESCE(t.filtered, 0) AS filtered,
        COALESCE(t.failed, 0) AS failed, COALESCE(t.dead, 0) AS dead, s.tombstones, s.absent, s.parked
      FROM slice s
      LEFT JOIN tally t ON t.slice = s.slice
    ),
    chain AS (
      INSERT INTO analytics.crm_batches (
        position_id, epoch, from_offset, next_offset, records, stored, skipped, conflicts, filtered, failed, dead,
        tombstones, absent, parked, run_id
      )
      SELECT position_id, epoch, from_offset, next_offset, records, stored, skipped, conflicts, filtered, failed, dead,
        tombstones, absent, parked, ${batch.runId}::uuid
      FROM booked
      RETURNING 1
    )
    SELECT
      (
        SELECT jsonb_agg(jsonb_build_object(
          'stored', stored, 'skipped', skipped, 'conflicts', conflicts, 'filtered', filtered, 'failed', failed,
          'dead', dead, 'tombstones', tombstones, 'absent', absent, 'parked', parked
        ) ORDER BY slice)
        FROM booked
      ) AS slices,
      (
        SELECT COALESCE(jsonb_agg(jsonb_build_object('eventType', c.event_type, 'outcome', c.outcome, 'count', c.count)), '[]')
        FROM (
          SELECT CASE WHEN event_type = ANY (${texts([...EVENT_TYPES])}) THEN event_type ELSE 'unknown' END AS event_type,
            CASE WHEN reason = 'conflict' THEN 'conflict' ELSE status END AS outcome, count(*) AS count
          FROM outcome
          GROUP BY 1, 2
        ) c
      ) AS events,
      ${failing.retries} AS retries
    WHERE (SELECT held FROM fenced) AND analytics.crm_assert_written(
      (SELECT count(*) FROM outcome WHERE reason = 'unresolved'),
      (SELECT count(*) FROM won),
      ${staging.staged},
      (SELECT count(*) FROM outcome WHERE status IN ('failed', 'dead') AND failed_id IS NULL),
      ${failing.kept}
    )
  `;
}

const COMMA = sql.fragment`, `;

/** As in stagingSteps: steps that there are no rows for are left out. */
function failingSteps(columns: BatchColumns, runId: string, settling: boolean) {
  if (columns.rejected.ord.length === 0) {
    return {
      steps: settling ? [rejectionStep(columns)] : [],
      kept: sql.fragment`0`,
      retries: sql.fragment`'[]'::jsonb`,
    };
  }
  return {
    steps: [rejectionStep(columns), keptStep(runId)],
    kept: sql.fragment`(SELECT count(*) FROM kept)`,
    retries: sql.fragment`(SELECT ${RETRIES} FROM kept WHERE status = 'failed')`,
  };
}

function parkedSteps({ parked }: BatchColumns, runId: string): FragmentSqlToken[] {
  if (parked.slice.length === 0) {
    return [];
  }
  return [
    sql.fragment`
      parked AS (
        INSERT INTO analytics.crm_parked_ranges (
          source_id, topic, partition, schema_id, reason, from_offset, to_offset, records, run_id
        )
        SELECT s.source_id, s.topic, s.partition, i.schema_id, i.reason, i.from_offset, i.to_offset, i.records,
          ${runId}::uuid
        FROM fenced
        CROSS JOIN unnest(
          ${ints(parked.slice)}, ${ints(parked.schemaId)}, ${texts(parked.reason)}, ${bigints(parked.from)},
          ${bigints(parked.to)}, ${bigints(parked.records)}
        ) AS i(slice, schema_id, reason, from_offset, to_offset, records)
        JOIN slice s ON s.slice = i.slice
        RETURNING 1
      )
    `,
  ];
}

/** Parked records of each slice. */
function parkedOf({ parked }: BatchColumns, slices: number): number[] {
  const counts = new Array<number>(slices).fill(0);
  parked.slice.forEach((slice, index) => {
    counts[slice - 1] = (counts[slice - 1] ?? 0) + (parked.records[index] ?? 0);
  });
  return counts;
}
