/**
 * The writer's one statement. It is a transaction by itself (one round trip, and nothing stays open when a worker dies):
 * position, ledger, staging, events log, failed events and chain, all or nothing.
 *
 *   slice      what moves: one row per claimed range
 *   fence      compare-and-set of the positions; `fenced` raises unless all of them matched, and unless the batch was
 *              prepared with the suppression list as it is
 *   delivery   one row per record
 *   …          by the batch's mode, see readings.ts: ledger, staging, failed events, log
 *   parked     ranges that are left in Kafka
 *   counted    what became of the deliveries
 *   chain      the books
 *
 * Deliveries that have failed before take a statement of their own kind, with the steps of settling-steps.ts. It finds
 * rows of the log to change, which the planner looks for in every partition; the usual one must not pay for that.
 */
import { type DatabasePoolConnection, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Batch, BatchResult, BatchSlice } from '../../activities/ports.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { type BatchColumns, type ParkedColumns, toColumns } from './batch-columns.ts';
import { sliceCountsRow } from './chain-sums.ts';
import { bigints, ints, texts } from './column-fragments.ts';
import { createDataKeys, type DataKeys } from './data-keys.ts';
import { guarded } from './errors.ts';
import { encoded, type FreshBatch, freshBatch } from './fresh-batch.ts';
import { sealRejected } from './kept-messages.ts';
import { type Known, knownStep, resentStep, takeOutKnown } from './known-deliveries.ts';
import { createStatementNames, type StatementNames } from './prepared.ts';
import { firstReading, isKnown, isNotNew, newReading, type Reading, repeatedReading, rewriting } from './readings.ts';
import { stagedTimes } from './rewriting-steps.ts';

const writtenRow = z.object({
  slices: z.array(sliceCountsRow),
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

/** Batches of a replay to write without asking for what is known, once asking has not paid. */
const ASK_AGAIN_AFTER = 32;

/** Writes the batches of one lane. What the last one was tells what to take the next one for. */
export function createBatchWriter(
  connection: DatabasePoolConnection,
  dataKeys: DataKeys = createDataKeys(null),
): (batch: Batch) => Promise<BatchResult> {
  const deps: WriterDeps = { connection, dataKeys, named: createStatementNames('crm_batch') };
  let mostlyKnown = false;
  let allNew = true;
  let askIn = 0;

  function asksFirst({ mode }: Batch): boolean {
    if (mode === 'ingest') return !allNew;
    askIn -= 1;
    return mode === 'missing' && mostlyKnown && askIn <= 0;
  }

  async function write(batch: Batch): Promise<BatchResult> {
    if (!asksFirst(batch)) return writeBatch(deps, batch, null, allNew);
    const { rest, known } = await guarded(() => takeOutKnown(connection, deps.named, batch));
    askIn = isMost(batch.deliveries.length - rest.deliveries.length, batch) ? 0 : ASK_AGAIN_AFTER;
    try {
      const result = await writeBatch(deps, rest, known, true);
      return { ...result, events: [...result.events, ...known.events] };
    } catch (error) {
      if (known.resent.length === 0 || !(isNotNew(error) || isKnown(error))) throw error;
      // Not as it was found: another lane won an id since, or a delivery is logged or failed before.
      return writeBatch(deps, batch, null, false);
    }
  }

  return async (batch) => {
    const result = await write(batch);
    const skipped = result.slices.reduce((sum, slice) => sum + slice.skipped, 0);
    mostlyKnown = isMost(skipped, batch);
    allNew = skipped === 0;
    return result;
  };
}

interface WriterDeps {
  connection: DatabasePoolConnection;
  dataKeys: DataKeys;
  named: StatementNames;
}

/** Without a look at the deliveries, which may have to be made for that. */
const isMost = (count: number, { slices }: Batch) => count * 2 > slices.reduce((sum, { records }) => sum + records, 0);

/**
 * Writes a batch in one statement; in another one when it was not what it was taken for.
 * @param known what was taken out of it before
 * @param allNew whether to take its events for new
 * @throws WriteError as told by `isNotNew` and `isKnown`, when something is not as it was found and was to be logged so
 * @throws FencedError when a range is held by another lane, or no longer where the batch begins
 * @throws StaleSuppressionError when the suppression list has changed since it was prepared
 * @throws WriteError when PostgreSQL refuses
 */
async function writeBatch(deps: WriterDeps, batch: Batch, known: Known | null, allNew: boolean): Promise<BatchResult> {
  const { connection } = deps;
  const write = (reading: Reading) => send(deps, batch, reading, known);
  /** What was found is logged with it: when something turns out otherwise, the whole batch must be looked at anew. */
  const mustBeAsFound = known !== null && known.resent.length > 0;
  const ready = allNew ? encoded(batch)?.fresh : undefined;
  let made: BatchColumns | null = null;
  const columns = async () => {
    made ??= await sealedColumns(deps, batch);
    return made;
  };
  switch (batch.mode) {
    case 'restore':
      return write(rewriting(batch, await columns(), { mode: 'restore' }));
    case 'overwrite': {
      const sealed = await columns();
      const stagedAt = await guarded(() => stagedTimes(connection, sealed));
      return write(rewriting(batch, sealed, { mode: 'overwrite', stagedAt }));
    }
    default:
      try {
        const fresh = ready ?? (allNew ? freshBatch(await columns()) : null);
        if (fresh !== null) {
          try {
            return await writeNew(deps, batch, fresh, known);
          } catch (error) {
            if (!isNotNew(error) || mustBeAsFound) {
              throw error;
            }
          }
        }
        return await write(firstReading(batch, await columns()));
      } catch (error) {
        if (!isKnown(error) || mustBeAsFound) {
          throw error;
        }
        const sealed = await columns();
        return write(await guarded(() => repeatedReading(connection, batch, sealed)));
      }
  }
}

async function sealedColumns({ connection, dataKeys }: WriterDeps, batch: Batch): Promise<BatchColumns> {
  const columns = toColumns(batch);
  if (columns.rejected.ord.length > 0) {
    sealRejected(
      columns,
      batch.slices.map(({ range }) => range),
      await dataKeys.forSealing(connection),
    );
  }
  return columns;
}

async function writeNew(deps: WriterDeps, batch: Batch, fresh: FreshBatch, known: Known | null): Promise<BatchResult> {
  const result = await send(deps, batch, newReading(batch, fresh), known);
  // Not after a failure: what is sent by a connection that breaks may still be on its way.
  fresh.release();
  return { ...result, events: fresh.events };
}

function send(
  { connection, named }: WriterDeps,
  batch: Batch,
  reading: Reading,
  known: Known | null,
): Promise<BatchResult> {
  const statement = batchStatement(batch, reading, known);
  const rows = reading.rows + (known?.resent.length ?? 0);
  return guarded(() => connection.one(named(statement, rows)));
}

/** @see BatchWriter.committed */
export async function committedBatch(connection: DatabasePoolConnection, batch: Batch): Promise<BatchResult | null> {
  const { slices } = batch;
  const rows = await guarded(() =>
    connection.any(sql.type(sliceCountsRow)`
      SELECT b.stored, b.skipped, b.conflicts, b.filtered, b.failed, b.dead, b.tombstones, b.absent, b.parked, b.changed
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

function batchStatement(batch: Batch, reading: Reading, known: Known | null) {
  const { slices } = batch;
  const { tombstones, parked, writing } = reading;
  const before = (count: 'skipped' | 'conflicts') =>
    known === null
      ? sql.fragment`0`
      : sql.fragment`(SELECT k.${sql.identifier([count])} FROM known k WHERE k.slice = s.slice)`;
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
        ${bigints(parkedOf(parked, slices.length))},
        ${bigints(sliceColumn(slices, (s) => s.absent))},
        ${bigints(sliceColumn(slices, (s) => s.firstTimestamp))},
        ${bigints(sliceColumn(slices, (s) => s.last?.offset ?? null))},
        ${bigints(sliceColumn(slices, (s) => s.last?.timestamp ?? null))},
        ${bigints(sliceColumn(slices, (s) => s.last?.checksum ?? null))}
      ) WITH ORDINALITY AS s(
        position_id, epoch, source_id, topic, incarnation, partition, from_offset, next_offset, records, tombstones,
        parked, absent, first_timestamp, last_offset, last_timestamp, last_checksum, slice
      )
    ),
    fence AS (
      UPDATE analytics.crm_positions p
      SET next_offset = s.next_offset,
          first_timestamp = COALESCE(p.first_timestamp, s.first_timestamp),
          last_offset = COALESCE(s.last_offset, p.last_offset),
          last_timestamp = COALESCE(s.last_timestamp, p.last_timestamp),
          last_checksum = COALESCE(s.last_checksum, p.last_checksum),
          updated_at = clock_timestamp()
      FROM slice s
      WHERE p.position_id = s.position_id AND p.epoch = s.epoch AND p.next_offset = s.from_offset
      RETURNING 1
    ),
    fenced AS MATERIALIZED (
      SELECT analytics.crm_assert_fence((SELECT count(*) FROM fence), ${slices.length})
        AND analytics.crm_assert_suppression(${batch.suppression}) AS held
    ),
    ${reading.claim},
    delivery AS MATERIALIZED (
      SELECT ${reading.columns}, ${reading.known}, s.source_id, s.topic, s.incarnation, s.partition
      FROM fenced
      CROSS JOIN ${reading.deliveries} d
      -- Whatever lies outside of what was claimed gets no row, and the batch is refused as unbalanced.
      JOIN slice s ON s.slice = d.slice AND d."offset" >= s.from_offset AND d."offset" < s.next_offset
      ${reading.knownJoin}
    ),
    ${sql.join([...writing.steps, ...parkedSteps(parked, batch.runId), ...knownSteps(known, batch.runId)], COMMA)},
    counted AS MATERIALIZED (${writing.counted}),
    tally AS MATERIALIZED (
      -- What was known before counts as skipped: the chain counted it when it was read first.
      SELECT slice,
        sum(events) FILTER (WHERE status = 'processed' AND NOT before) AS stored,
        sum(events) FILTER (WHERE status = 'skipped' OR before) AS skipped,
        sum(events) FILTER (WHERE reason = 'conflict') AS conflicts,
        sum(events) FILTER (WHERE status = 'filtered' AND NOT before) AS filtered,
        sum(events) FILTER (WHERE status = 'failed' AND NOT before) AS failed,
        sum(events) FILTER (WHERE status = 'dead' AND NOT before) AS dead
      FROM counted
      GROUP BY slice
    ),
    booked AS MATERIALIZED (
      SELECT s.slice, s.position_id, s.epoch, s.from_offset, s.next_offset, s.records, COALESCE(t.stored, 0) AS stored,
        COALESCE(t.skipped, 0) + ${before('skipped')} AS skipped,
        COALESCE(t.conflicts, 0) + ${before('conflicts')} AS conflicts, COALESCE(t.filtered, 0) AS filtered,
        COALESCE(t.failed, 0) AS failed, COALESCE(t.dead, 0) AS dead, s.tombstones, s.absent, s.parked,
        ${writing.changed} AS changed
      FROM slice s
      LEFT JOIN tally t ON t.slice = s.slice
    ),
    chain AS (
      INSERT INTO analytics.crm_batches (
        position_id, epoch, from_offset, next_offset, records, stored, skipped, conflicts, filtered, failed, dead,
        tombstones, absent, parked, changed, run_id
      )
      SELECT position_id, epoch, from_offset, next_offset, records, stored, skipped, conflicts, filtered, failed, dead,
        tombstones, absent, parked, changed, ${batch.runId}::uuid
      FROM booked
      RETURNING 1
    )
    SELECT
      (
        SELECT jsonb_agg(jsonb_build_object(
          'stored', stored, 'skipped', skipped, 'conflicts', conflicts, 'filtered', filtered, 'failed', failed,
          'dead', dead, 'tombstones', tombstones, 'absent', absent, 'parked', parked, 'changed', changed
        ) ORDER BY slice)
        FROM booked
      ) AS slices,
      (
        SELECT COALESCE(jsonb_agg(jsonb_build_object('eventType', c.event_type, 'outcome', c.outcome, 'count', c.count)), '[]')
        FROM (
          SELECT CASE WHEN event_type = ANY (${texts([...EVENT_TYPES])}) THEN event_type ELSE 'unknown' END AS event_type,
            CASE WHEN reason = 'conflict' THEN 'conflict' ELSE status END AS outcome, sum(events) AS count
          FROM counted
          GROUP BY 1, 2
        ) c
      ) AS events,
      ${writing.retries} AS retries
    WHERE (SELECT held FROM fenced) AND ${writing.balanced} AND ${resentBalanced(known)}
  `;
}

const COMMA = sql.fragment`, `;

function knownSteps(known: Known | null, runId: string): FragmentSqlToken[] {
  if (known === null) return [];
  return [knownStep(known), ...(known.resent.length === 0 ? [] : [resentStep(known.resent, runId)])];
}

/** Raises unless each that was sent again has its row in the log. */
function resentBalanced(known: Known | null): FragmentSqlToken {
  const count = known?.resent.length ?? 0;
  if (count === 0) return sql.fragment`true`;
  return sql.fragment`analytics.crm_assert_new(${count}, ${count}, ${count}, (SELECT count(*) FROM resent))`;
}

function parkedSteps(parked: ParkedColumns | null, runId: string): FragmentSqlToken[] {
  if (parked === null || parked.slice.length === 0) {
    return [];
  }
  return [
    sql.fragment`
      parked AS (
        INSERT INTO analytics.crm_parked_ranges (
          source_id, topic, partition, schema_id, organization_id, reason, from_offset, to_offset, records, run_id
        )
        SELECT s.source_id, s.topic, s.partition, i.schema_id, i.organization_id, i.reason, i.from_offset, i.to_offset,
          i.records, ${runId}::uuid
        FROM fenced
        CROSS JOIN unnest(
          ${ints(parked.slice)}, ${ints(parked.schemaId)}, ${texts(parked.organizationId)}, ${texts(parked.reason)},
          ${bigints(parked.from)}, ${bigints(parked.to)}, ${bigints(parked.records)}
        ) AS i(slice, schema_id, organization_id, reason, from_offset, to_offset, records)
        JOIN slice s ON s.slice = i.slice
        RETURNING 1
      )
    `,
  ];
}

/** Parked records of each slice. */
function parkedOf(parked: ParkedColumns | null, slices: number): number[] {
  const counts = new Array<number>(slices).fill(0);
  parked?.slice.forEach((slice, index) => {
    counts[slice - 1] = (counts[slice - 1] ?? 0) + (parked.records[index] ?? 0);
  });
  return counts;
}
