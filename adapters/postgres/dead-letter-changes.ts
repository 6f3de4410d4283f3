/** What a person does to one failed event. Each change is one statement, which finds the event as it expects it. */
import { randomUUID } from 'node:crypto';
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Change, DeadLetters } from '../../activities/dead-letter-ports.ts';
import { instants } from './column-fragments.ts';
import { eventVersion } from './failed-version.ts';

const changedRow = z.object({ failed_id: z.number() });
const standingRow = z.object({ status: z.string(), logged_at: z.number() });

/** @see DeadLetters.correct */
export async function correct(
  connection: CommonQueryMethods,
  failedId: number,
  correction: { event: unknown; by: string } | null,
  version: string | null,
): Promise<Change> {
  const changed = await connection.maybeOne(sql.type(changedRow)`
    UPDATE analytics.crm_failed_events f
    SET correction = ${correction === null ? null : JSON.stringify(correction.event)}::jsonb,
        corrected_by = ${correction?.by ?? null},
        corrected_at = CASE WHEN ${correction !== null} THEN clock_timestamp() END
    WHERE f.failed_id = ${failedId} AND f.status IN ('failed', 'dead')
      AND (${version}::text IS NULL OR ${eventVersion} = ${version}::text)
    RETURNING f.failed_id
  `);
  return changed === null ? whyNot(await standing(connection, failedId)) : 'done';
}

/** @see DeadLetters.discard */
export async function discard(
  connection: CommonQueryMethods,
  ...[failedId, reason, by]: Parameters<DeadLetters['discard']>
): Promise<Change> {
  const found = await standing(connection, failedId);
  if (found === null) return 'unknown';
  const discarded = await connection.maybeOne(sql.type(changedRow)`
    WITH claimed AS MATERIALIZED (
      SELECT f.failed_id, f.status AS was, s.incarnation
      FROM analytics.crm_failed_events f
      JOIN analytics.crm_sources s ON s.source_id = f.source_id
      WHERE f.failed_id = ${failedId} AND f.status IN ('failed', 'dead')
      FOR UPDATE OF f
    ),
    discarded AS (
      UPDATE analytics.crm_failed_events f
      SET status = 'discarded', settled_as = 'discarded', settled_at = clock_timestamp(), next_attempt_at = NULL,
          discard_reason = ${reason}, discarded_by = ${by}
      FROM claimed c
      WHERE f.failed_id = c.failed_id
      RETURNING f.failed_id, f.source_id, f.topic, f.partition, f."offset", f.event_timestamp, f.attempts, f.errors,
        c.was, c.incarnation
    ),
    relogged AS (
      UPDATE analytics.crm_events_log log
      SET processing_status = 'discarded', processed_at = now(), retry_count = d.attempts,
          metadata = COALESCE(log.metadata, '{}') || jsonb_build_object(
            'errors', d.errors, 'discarded', jsonb_build_object('by', ${by}::text, 'reason', ${reason}::text)
          )
      FROM discarded d
      WHERE log.event_timestamp = ANY (${instants([found.logged_at])})
        AND log.topic = d.topic AND log.partition = d.partition AND log."offset" = d."offset"
        AND log.event_timestamp = d.event_timestamp AND log.topic_incarnation = d.incarnation
      RETURNING 1
    ),
    moved AS (
      INSERT INTO analytics.crm_moves (source_id, partition, cause, from_status, to_status, events, run_id)
      SELECT d.source_id, d.partition, 'discard', d.was, 'discarded', 1, ${randomUUID()}::uuid
      FROM discarded d
      RETURNING 1
    )
    SELECT failed_id FROM discarded
  `);
  return discarded === null ? 'settled' : 'done';
}

function standing(connection: CommonQueryMethods, failedId: number) {
  return connection.maybeOne(sql.type(standingRow)`
    SELECT f.status, f.event_timestamp AS logged_at FROM analytics.crm_failed_events f WHERE f.failed_id = ${failedId}
  `);
}

function whyNot(found: { status: string } | null): Change {
  if (found === null) return 'unknown';
  return found.status === 'failed' || found.status === 'dead' ? 'changed' : 'settled';
}
