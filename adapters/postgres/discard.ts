/** Gives failed events up: their status, their rows in the events log and the books, in one statement. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { bigints, instants } from './column-fragments.ts';
import { correcting } from './retired-deliveries.ts';

export interface Discard {
  failedIds: readonly number[];
  reason: string;
  by: string;
  /** The redrive that it is a part of and that keeps its counts, null for a single event. */
  redriveId: string | null;
  /** Of the books. */
  runId: string;
}

/** @returns how many were given up: those that were still failed or dead, and that nobody else had */
export async function discardEvents(
  connection: CommonQueryMethods,
  { failedIds, reason, by, redriveId, runId }: Discard,
): Promise<number> {
  const logged = await connection.anyFirst(sql.type(z.object({ at: z.number() }))`
    SELECT DISTINCT event_timestamp AS at FROM analytics.crm_failed_events WHERE failed_id = ANY (${bigints(failedIds)})
  `);
  return connection.oneFirst(sql.type(z.object({ discarded: z.number() }))`
    WITH claimed AS MATERIALIZED (
      SELECT f.failed_id, f.status AS was, s.incarnation
      FROM analytics.crm_failed_events f
      JOIN analytics.crm_sources s ON s.source_id = f.source_id
      WHERE f.failed_id = ANY (${bigints(failedIds)}) AND f.status IN ('failed', 'dead')
        AND (${redriveId}::uuid IS NULL OR f.redrive_id IS DISTINCT FROM ${redriveId}::uuid)
      FOR UPDATE OF f SKIP LOCKED
    ),
    discarded AS (
      UPDATE analytics.crm_failed_events f
      SET status = 'discarded', settled_as = 'discarded', settled_at = clock_timestamp(), next_attempt_at = NULL,
          discard_reason = ${reason}, discarded_by = ${by}, redrive_id = COALESCE(${redriveId}::uuid, f.redrive_id)
      FROM claimed c
      WHERE f.failed_id = c.failed_id
      RETURNING f.failed_id, f.source_id, f.topic, f.partition, f."offset", f.event_timestamp, f.attempts, f.errors,
        c.was, f.status, c.incarnation
    ),
    relogged AS (
      UPDATE analytics.crm_events_log log
      SET processing_status = 'discarded', processed_at = now(), retry_count = d.attempts,
          metadata = COALESCE(log.metadata, '{}') || jsonb_build_object(
            'errors', d.errors, 'discarded', jsonb_build_object('by', ${by}::text, 'reason', ${reason}::text)
          )
      FROM discarded d
      WHERE log.event_timestamp = ANY (${instants(logged)})
        AND log.topic = d.topic AND log.partition = d.partition AND log."offset" = d."offset"
        AND log.event_timestamp = d.event_timestamp AND log.topic_incarnation = d.incarnation
      RETURNING d.failed_id
    ),
    unlogged AS (${correcting(sql.fragment`discarded`)}),
    moved AS (
      INSERT INTO analytics.crm_moves (source_id, partition, cause, from_status, to_status, events, run_id)
      SELECT source_id, partition, 'discard', was, 'discarded', count(*), ${runId}::uuid
      FROM discarded
      GROUP BY source_id, partition, was
      RETURNING 1
    ),
    counted AS (
      UPDATE analytics.crm_redrives
      SET discarded = discarded + (SELECT count(*) FROM discarded)
      WHERE redrive_id = ${redriveId}::uuid
      RETURNING 1
    )
    SELECT count(*) AS discarded FROM discarded
  `);
}
