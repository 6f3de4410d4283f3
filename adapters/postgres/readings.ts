/**
 * How a batch's deliveries become rows: those that are read for the first time, those that are read again, and those
 * whose rows are written again. The statement around it is in write-batch.ts.
 */
import { type DatabasePoolConnection, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { type Batch, type BatchSlice, WriteError } from '../../activities/ports.ts';
import type { BatchColumns, ParkedColumns } from './batch-columns.ts';
import { bigints, ints } from './column-fragments.ts';
import type { FreshBatch } from './fresh-batch.ts';
import { newSteps } from './new-steps.ts';
import { CORRECTED_STEP, type Rewriting, rewritingSteps } from './rewriting-steps.ts';
import { rowsOf } from './rows.ts';
import { keptStep, RETRIES, rejectionStep, settlingSteps } from './settling-steps.ts';
import {
  COMPARED_DELIVERIES,
  EVERY_DELIVERY,
  loggedStep,
  PLAIN_DELIVERIES,
  stagingSteps,
  WHAT_CHANGED,
} from './staging-steps.ts';

export interface Reading extends Pick<BatchColumns, 'tombstones'> {
  /** null: nothing is left in Kafka. */
  parked: ParkedColumns | null;
  /** How many deliveries get rows. */
  rows: number;
  /** Steps between the fence and the deliveries. */
  claim: FragmentSqlToken;
  deliveries: FragmentSqlToken;
  /** What the steps read of these as `d`. */
  columns: FragmentSqlToken;
  /** What the steps know of a delivery from before: columns of `delivery`. */
  known: FragmentSqlToken;
  knownJoin: FragmentSqlToken;
  writing: Writing;
}

/** The steps from `delivery` on, and what the statement asks of them. */
export interface Writing {
  steps: FragmentSqlToken[];
  /** What became of the deliveries: by slice, event type, status, reason and whether they had failed before. */
  counted: FragmentSqlToken;
  /** Raises unless what was written adds up. */
  balanced: FragmentSqlToken;
  retries: FragmentSqlToken;
  /** Rows written again, of slice `s`. */
  changed: FragmentSqlToken;
}

const NONE = sql.fragment`0`;
const NO_RETRIES = sql.fragment`'[]'::jsonb`;

/** The quickest way, for a batch whose events are all new. */
export function newReading({ runId }: Batch, fresh: FreshBatch): Reading {
  const { rows, deliveries, tombstones, parked } = fresh;
  return {
    ...{ rows, deliveries, tombstones, parked },
    ...NOTHING_KNOWN,
    columns: PLAIN_DELIVERIES.columns,
    writing: newSteps(fresh, runId),
  };
}

/** Whether a batch was refused because the ledger has one of its ids, or the batch has it twice. */
export function isNotNew(error: unknown): boolean {
  return (
    error instanceof WriteError && error.code === '23505' && /^crm_event_ledger.*_pkey$/.test(error.constraint ?? '')
  );
}

/**
 * That a delivery has its row in the log or has failed before takes a seek or a second reader, so the batch is first
 * written as if none had: looking for a conflict costs each row of the log a speculative insertion.
 */
export function firstReading({ runId, mode }: Batch, columns: BatchColumns): Reading {
  return {
    ...compared(columns),
    ...NOTHING_KNOWN,
    writing: ingesting(columns, runId, loggedStep(runId, loggedBy(mode), sql.fragment``), []),
  };
}

const NOTHING_KNOWN = {
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
  known: sql.fragment`NULL::bigint AS failed_id`,
  knownJoin: sql.fragment`CROSS JOIN first_read`,
};

/** What is read of columns whose contents are compared with the ledger's. */
function compared(columns: BatchColumns): Pick<Reading, 'rows' | 'deliveries' | 'columns' | 'tombstones' | 'parked'> {
  const { deliveries, tombstones, parked } = columns;
  return {
    rows: deliveries.ord.length,
    deliveries: rowsOf(COMPARED_DELIVERIES.values(columns)),
    columns: COMPARED_DELIVERIES.columns,
    tombstones,
    parked,
  };
}

/** What is logged already stays as it is, but for what failed then: that follows the outcome of this reading. */
export async function repeatedReading(
  connection: DatabasePoolConnection,
  batch: Batch,
  columns: BatchColumns,
): Promise<Reading> {
  const { runId, mode } = batch;
  const logged = await failedBefore(connection, batch.slices);
  return {
    ...compared(columns),
    claim: sql.fragment`
      claimed AS MATERIALIZED (
        SELECT f.failed_id, f.status AS was, f.event_timestamp AS logged_at, s.slice, f."offset"
        FROM fenced
        CROSS JOIN slice s
        JOIN analytics.crm_failed_events f ON f.source_id = s.source_id AND f.partition = s.partition
          AND f."offset" >= s.from_offset AND f."offset" < s.next_offset
        FOR UPDATE OF f
      )`,
    known: sql.fragment`c.failed_id`,
    knownJoin: sql.fragment`LEFT JOIN claimed c ON c.slice = d.slice AND c."offset" = d."offset"`,
    writing: ingesting(columns, runId, loggedStep(runId, loggedBy(mode), NOW_PROCESSED), [
      settlingSteps({ runId, cause: 'reread', redriveId: null, logged }),
    ]),
  };
}

/** Whether a batch was refused because one of its deliveries is known: in the log, each partition of which has such a key. */
export function isKnown(error: unknown): boolean {
  return (
    error instanceof WriteError &&
    (error.code === 'CF004' || (error.code === '23505' && /^crm_events_log.*_pkey$/.test(error.constraint ?? '')))
  );
}

/** Writes rows of known ids again. What fails, what is new and the log are let be. */
export function rewriting({ runId }: Batch, columns: BatchColumns, how: Rewriting): Reading {
  return {
    ...compared(columns),
    claim: CORRECTED_STEP,
    known: sql.fragment`NULL::bigint AS failed_id, c.slice IS NOT NULL AS corrected`,
    knownJoin: sql.fragment`LEFT JOIN corrected c ON c.slice = d.slice AND c."offset" = d."offset"`,
    writing: {
      steps: rewritingSteps(columns, runId, how),
      counted: COUNTED_OUTCOMES,
      balanced: balancedOutcomes(NONE, NONE, NONE),
      retries: NO_RETRIES,
      changed: sql.fragment`COALESCE((SELECT c.rows FROM changed c WHERE c.slice = s.slice), 0)`,
    },
  };
}

function loggedBy(mode: Batch['mode']): FragmentSqlToken {
  return mode === 'ingest' ? EVERY_DELIVERY : WHAT_CHANGED;
}

/** The ledger had forgotten the id, or another delivery of it is gone. */
const NOW_PROCESSED = sql.fragment`
  ON CONFLICT (topic, partition, "offset", event_timestamp, topic_incarnation) DO UPDATE
  SET processing_status = EXCLUDED.processing_status, error_message = NULL, metadata = EXCLUDED.metadata,
      ingestion_id = EXCLUDED.ingestion_id, processed_at = now()
  WHERE EXCLUDED.processing_status = 'processed' AND log.processing_status IN ('skipped', 'filtered')
`;

/** Steps that there are no rows for are left out, as in stagingSteps. */
function ingesting(
  columns: BatchColumns,
  runId: string,
  logged: FragmentSqlToken,
  settling: FragmentSqlToken[],
): Writing {
  const staging = stagingSteps(columns, runId);
  const fails = columns.rejected.ord.length > 0;
  const rejection = fails || settling.length > 0 ? [rejectionStep(columns)] : [];
  const kept = fails ? [keptStep(runId)] : [];
  return {
    steps: [...staging.steps, ...rejection, ...kept, ...settling, logged],
    counted: COUNTED_OUTCOMES,
    balanced: balancedOutcomes(
      sql.fragment`(SELECT count(*) FROM won)`,
      staging.staged,
      fails ? sql.fragment`(SELECT count(*) FROM kept)` : NONE,
    ),
    retries: fails ? sql.fragment`(SELECT ${RETRIES} FROM kept WHERE status = 'failed')` : NO_RETRIES,
    changed: NONE,
  };
}

const COUNTED_OUTCOMES = sql.fragment`
  SELECT slice, event_type, status, reason, failed_id IS NOT NULL AS before, count(*) AS events
  FROM outcome
  GROUP BY slice, event_type, status, reason, before
`;

/**
 * @param won ids that are new in the ledger
 * @param kept failed events that are new
 */
function balancedOutcomes(won: FragmentSqlToken, staged: FragmentSqlToken, kept: FragmentSqlToken): FragmentSqlToken {
  return sql.fragment`(
    SELECT analytics.crm_assert_written(
      COALESCE(sum(events) FILTER (WHERE reason = 'unresolved'), 0)::bigint, ${won}, ${staged},
      COALESCE(sum(events) FILTER (WHERE status IN ('failed', 'dead') AND NOT before), 0)::bigint, ${kept}
    )
    FROM counted
  )`;
}

/** Where the log has the deliveries of the slices that have failed before. */
async function failedBefore(connection: DatabasePoolConnection, slices: readonly BatchSlice[]) {
  return connection.any(sql.type(z.object({ offset: z.number(), at: z.number() }))`
    SELECT f."offset", f.event_timestamp AS at
    FROM unnest(
      ${ints(slices.map(({ range }) => range.sourceId))}, ${ints(slices.map(({ range }) => range.partition))},
      ${bigints(slices.map(({ from }) => from))}, ${bigints(slices.map(({ next }) => next))}
    ) AS s(source_id, partition, from_offset, next_offset)
    JOIN analytics.crm_failed_events f ON f.source_id = s.source_id AND f.partition = s.partition
      AND f."offset" >= s.from_offset AND f."offset" < s.next_offset
  `);
}
