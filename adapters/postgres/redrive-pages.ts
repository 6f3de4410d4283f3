/** The failed events of a redrive: which are next, which are staged already, and how they are given up. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Settled } from '../../activities/failed-ports.ts';
import type { RedrivePage, RedriveScope, RedriveWindow } from '../../activities/redrive-ports.ts';
import { texts } from './column-fragments.ts';
import { matchesFilter } from './failed-filter.ts';

/** Messages in one page, beyond the first: what a worker holds of each page that it writes. */
const PAGE_BYTES = 16 * 1024 ** 2;

/**
 * `updated_at` is the time of the last attempt, so a correction after it is new; so is a rule that the last redrive did
 * not have.
 * @see Redrives.page
 */
export async function redrivePage(
  connection: CommonQueryMethods,
  { redriveId, action, filter, fix, force, lastFailedId }: RedriveScope,
  { after, limit, mostRedrives }: RedriveWindow,
): Promise<RedrivePage | null> {
  const rule = fix === null ? null : JSON.stringify(fix);
  const rows = await connection.any(sql.type(z.object({ failedId: z.number(), leftOut: z.boolean() }))`
    WITH next AS (
      SELECT f.failed_id, COALESCE(octet_length(f.value), 0) AS bytes,
        CASE
          WHEN f.redrives < ${mostRedrives} OR ${force} OR ${action === 'discard'} THEN false
          WHEN f.corrected_at > f.updated_at THEN false
          WHEN ${rule}::jsonb IS NULL THEN true
          ELSE EXISTS (
            SELECT 1 FROM analytics.crm_redrives last WHERE last.redrive_id = f.redrive_id AND last.fix = ${rule}::jsonb
          )
        END AS left_out
      FROM analytics.crm_failed_events f
      WHERE f.status IN ('failed', 'dead') AND ${matchesFilter(filter)}
        AND f.failed_id > ${after} AND f.failed_id <= ${lastFailedId}
        AND f.redrive_id IS DISTINCT FROM ${redriveId}::uuid
      ORDER BY f.failed_id
      LIMIT ${limit}
    ),
    filled AS (
      SELECT failed_id, left_out, sum(bytes) OVER (ORDER BY failed_id) - bytes AS before FROM next
    )
    SELECT failed_id AS "failedId", left_out AS "leftOut" FROM filled WHERE before < ${PAGE_BYTES} ORDER BY failed_id
  `);
  const last = rows.at(-1);
  if (last === undefined) return null;
  const failedIds = rows.filter(({ leftOut }) => !leftOut).map(({ failedId }) => failedId);
  return { failedIds, leftOut: rows.length - failedIds.length, last: last.failedId };
}

/** @see Redrives.known */
export async function knownEvents(
  connection: CommonQueryMethods,
  eventIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const known = await connection.anyFirst(sql.type(z.object({ event_id: z.string() }))`
    SELECT l.event_id FROM analytics.crm_event_ledger l WHERE l.event_id = ANY (${texts(eventIds)})
  `);
  return new Set(known);
}

const settledRow = z.object({
  status: z.enum(['processed', 'skipped', 'filtered', 'failed', 'dead']),
  reason: z.enum(['duplicate', 'conflict', 'reread']).nullable(),
});

/** @see Redrives.outcome */
export function outcomeOf(
  connection: CommonQueryMethods,
  redriveId: string,
  failedId: number,
): Promise<Settled | null> {
  return connection.maybeOne(sql.type(settledRow)`
    SELECT log.processing_status AS status,
      CASE WHEN log.processing_status = 'skipped' THEN log.metadata ->> 'reason' END AS reason
    FROM analytics.crm_failed_events f
    JOIN analytics.crm_sources s ON s.source_id = f.source_id
    JOIN analytics.crm_events_log log ON log.event_timestamp = f.event_timestamp AND log.topic = f.topic
      AND log.partition = f.partition AND log."offset" = f."offset" AND log.topic_incarnation = s.incarnation
    WHERE f.failed_id = ${failedId} AND f.redrive_id = ${redriveId}::uuid
  `);
}
