/**
 * The steps that move failed events on: those of a settlement, and those that a lane reads again. They expect the steps
 * `outcome` (staging-steps.ts), `rejection` (see below) and `claimed`: the failed events under lock, with the status that
 * they had.
 *
 *   settled    the failed events, unless somebody settled them and they fail again
 *   relogged   their rows in the events log, with the path of their errors
 *   unlogged   what is written down instead where retention took such a row
 *   moved      the books
 */
import { type FragmentSqlToken, sql } from 'slonik';
import type { BatchColumns } from './batch-columns.ts';
import { bigints, instants, ints, texts } from './column-fragments.ts';
import { keepingKey } from './data-keys.ts';
import { correcting } from './retired-deliveries.ts';

export type MoveCause = 'retry' | 'redrive' | 'enqueue' | 'reread';

/** Errors that are kept of one event. */
const ERRORS_KEPT = 20;

/** What is known of the deliveries that are rejected, and the key that their messages are sealed with. */
export function rejectionStep({ rejected }: BatchColumns): FragmentSqlToken {
  return sql.fragment`
    ${keepingKey(rejected.sealedBy)},
    rejection AS MATERIALIZED (
      SELECT i.ord, i.code, i.sqlstate, i.field,
        to_timestamp(i.next_ms::double precision / 1000) AS next_attempt_at, i.record_ms, i.schema_id, i.key, i.value,
        i.headers, ${rejected.sealedBy?.id ?? null}::uuid AS sealed_by
      FROM unnest(
        ${bigints(rejected.ord)}, ${texts(rejected.code)}, ${texts(rejected.sqlstate)}, ${texts(rejected.field)},
        ${bigints(rejected.nextAttempt)}, ${bigints(rejected.recordTimestamp)}, ${ints(rejected.schemaId)},
        ${texts(rejected.key)}, ${texts(rejected.value)}, ${texts(rejected.headers)}
      ) AS i(ord, code, sqlstate, field, next_ms, record_ms, schema_id, key, value, headers)
    )
  `;
}

/** Keeps what fails for the first time, with its raw bytes or what they were sealed to. */
export function keptStep(runId: string): FragmentSqlToken {
  return sql.fragment`
    kept AS (
      INSERT INTO analytics.crm_failed_events (
        source_id, topic, partition, "offset", status, error_code, error_message, sqlstate, field, next_attempt_at,
        event_id, event_type, organization_id, event_timestamp, record_timestamp, schema_id, key, value, headers,
        sealed_by, run_id
      )
      SELECT d.source_id, d.topic, d.partition, d."offset", d.status, i.code, d.error, i.sqlstate, left(i.field, 255),
        i.next_attempt_at, d.event_id, d.event_type, d.organization_id, d.event_timestamp, i.record_ms, i.schema_id,
        decode(i.key, 'base64'), decode(i.value, 'base64'), i.headers::jsonb, i.sealed_by, ${runId}::uuid
      FROM rejection i
      JOIN outcome d ON d.ord = i.ord AND d.status IN ('failed', 'dead') AND d.failed_id IS NULL
      RETURNING failed_id, status, attempts, next_attempt_at
    )
  `;
}

/** Retries as the writers return them, of rows with `failed_id`, `attempts` and `next_attempt_at`. */
export const RETRIES = sql.fragment`
  COALESCE(jsonb_agg(jsonb_build_object(
    'failedId', failed_id, 'attempts', attempts, 'dueAt', round(extract(epoch FROM next_attempt_at) * 1000)::bigint
  )), '[]')
`;

export interface SettlingOptions {
  runId: string;
  cause: MoveCause;
  redriveId: string | null;
  /** Where the log rows of the claimed events are: what the planner finds their partitions by. */
  logged: ReadonlyArray<{ offset: number; at: number }>;
  /** Events that a rule mended; `ord` is that of their deliveries. */
  mended?: readonly Mended[];
}

export interface Mended {
  ord: number;
  /** As JSON text, see keptCorrection. */
  event: string;
  by: string;
}

/** The correction that worked is kept; one that did not must not be taken for a person's later. */
const HELPED = sql.fragment`m.event IS NOT NULL AND o.status NOT IN ('failed', 'dead')`;

/** Of somebody who was erased: what it says must not be kept. */
const ERASED = sql.fragment`o.reason IS NOT DISTINCT FROM 'suppressed'`;

export function settlingSteps({ runId, cause, redriveId, logged, mended = [] }: SettlingOptions): FragmentSqlToken {
  // Reading again is not an attempt at the event, it just happened to come by.
  const attempt = cause === 'reread' ? 0 : 1;
  return sql.fragment`
    settled AS (
      UPDATE analytics.crm_failed_events f
      SET status = CASE WHEN o.status IN ('failed', 'dead') THEN o.status ELSE 'resolved' END,
          settled_as = CASE WHEN o.status NOT IN ('failed', 'dead') THEN o.status END,
          settled_at = CASE WHEN o.status NOT IN ('failed', 'dead') THEN clock_timestamp() END,
          errors = CASE WHEN jsonb_array_length(f.errors) >= ${ERRORS_KEPT} THEN f.errors - 0 ELSE f.errors END
            || jsonb_build_object(
              'at', to_char(f.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'code', f.error_code,
              'detail', f.error_message
            ),
          error_code = COALESCE(i.code, f.error_code), error_message = COALESCE(o.error, f.error_message),
          sqlstate = CASE WHEN i.code IS NULL THEN f.sqlstate ELSE i.sqlstate END,
          field = CASE WHEN i.code IS NULL THEN f.field ELSE left(i.field, 255) END,
          attempts = f.attempts + ${attempt},
          redrives = CASE WHEN ${cause} = 'redrive' THEN f.redrives + 1 ELSE f.redrives END,
          redrive_id = COALESCE(${redriveId}::uuid, f.redrive_id),
          next_attempt_at = CASE WHEN o.status = 'failed' THEN i.next_attempt_at END,
          key = CASE WHEN ${ERASED} THEN NULL ELSE f.key END, value = CASE WHEN ${ERASED} THEN NULL ELSE f.value END,
          headers = CASE WHEN ${ERASED} THEN NULL ELSE f.headers END,
          correction = CASE WHEN ${ERASED} THEN NULL WHEN ${HELPED} THEN m.event::jsonb ELSE f.correction END,
          corrected_by = CASE WHEN ${HELPED} THEN m.by ELSE f.corrected_by END,
          corrected_at = CASE WHEN ${HELPED} THEN clock_timestamp() ELSE f.corrected_at END,
          run_id = ${runId}::uuid, updated_at = clock_timestamp()
      FROM claimed c
      JOIN outcome o ON o.failed_id = c.failed_id
      LEFT JOIN rejection i ON i.ord = o.ord
      LEFT JOIN unnest(
        ${bigints(mended.map(({ ord }) => ord))}, ${texts(mended.map(({ event }) => event))},
        ${texts(mended.map(({ by }) => by))}
      ) AS m(ord, event, by) ON m.ord = o.ord
      WHERE f.failed_id = c.failed_id
        AND (c.was IN ('failed', 'dead') OR (c.was = 'discarded' AND o.status NOT IN ('failed', 'dead')))
      RETURNING f.failed_id, f.attempts, f.errors, f.next_attempt_at, c.was, c.logged_at, o.ord, o.status, o.source_id,
        o.topic, o.incarnation, o.partition, o."offset", o.event_id, o.event_type, o.organization_id, o.error, o.reason
    ),
    relogged AS (
      UPDATE analytics.crm_events_log log
      SET processing_status = s.status, error_message = s.error, retry_count = s.attempts,
          event_id = COALESCE(s.event_id, log.event_id), event_type = COALESCE(s.event_type, log.event_type),
          organization_id = COALESCE(s.organization_id, log.organization_id), ingestion_id = ${runId}::uuid,
          processed_at = now(),
          metadata = COALESCE(log.metadata, '{}') || jsonb_build_object('errors', s.errors)
            || CASE WHEN s.reason IS NULL THEN '{}' ELSE jsonb_build_object('reason', s.reason) END
      FROM settled s -- alone: a join of two steps is estimated so large that the whole partition would be read
      WHERE log.event_timestamp = ANY (${instants(logged.map(({ at }) => at))})
        AND log."offset" = ANY (${bigints(logged.map(({ offset }) => offset))})
        AND log.topic = s.topic AND log.partition = s.partition AND log."offset" = s."offset"
        AND log.event_timestamp = s.logged_at AND log.topic_incarnation = s.incarnation
      RETURNING s.failed_id
    ),
    unlogged AS (${correcting(sql.fragment`settled`)}),
    moved AS (
      INSERT INTO analytics.crm_moves (source_id, partition, cause, from_status, to_status, events, run_id)
      SELECT s.source_id, s.partition, ${cause}, s.was, s.status, count(*), ${runId}::uuid
      FROM settled s
      WHERE s.was <> s.status
      GROUP BY s.source_id, s.partition, s.was, s.status
      RETURNING 1
    )
  `;
}
