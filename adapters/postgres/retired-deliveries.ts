/**
 * Writes down what retention deletes of the events log, and what becomes of it afterwards, so that the books of those
 * offsets can still be proved.
 */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import type { PartitionedTable } from '../../activities/maintenance-ports.ts';
import type { MaintenanceSession } from './maintenance-session.ts';

/** One row for at most so many offsets: an audit of a range is exact but for the rows at its ends. */
const OFFSETS = 10_000;

/**
 * The statement's part that writes it down.
 * @param gone rows of the log, with all of its columns
 */
export function noting(gone: FragmentSqlToken): FragmentSqlToken {
  return sql.fragment`
    INSERT INTO analytics.crm_retired_deliveries (
      topic, topic_incarnation, partition, processing_status, first_offset, last_offset, events
    )
    SELECT g.topic, g.topic_incarnation, g.partition, g.processing_status, min(g."offset"), max(g."offset"), count(*)
    FROM (${gone}) g
    GROUP BY g.topic, g.topic_incarnation, g.partition, g.processing_status, g."offset" / ${OFFSETS}
  `;
}

/**
 * A failed event may be settled after retention took its row of the log, which was counted with the status it had then:
 * less of that and more of the new one. Where the row was lost, nothing makes up for the less, and an audit finds it.
 * @param moved step with `failed_id`, coordinates, `was` and `status`; the step `relogged` has the ids whose row was found
 */
export function correcting(moved: FragmentSqlToken): FragmentSqlToken {
  return sql.fragment`
    INSERT INTO analytics.crm_retired_deliveries (
      topic, topic_incarnation, partition, processing_status, first_offset, last_offset, events
    )
    SELECT m.topic, m.incarnation, m.partition, c.status, m."offset", m."offset", c.events
    FROM ${moved} m
    CROSS JOIN LATERAL (VALUES (m.was, -1), (m.status, 1)) AS c(status, events)
    WHERE m.was <> m.status AND NOT EXISTS (SELECT 1 FROM relogged r WHERE r.failed_id = m.failed_id)
  `;
}

/** In the transaction that deletes them. Does nothing for other tables. */
export async function noteDeliveries(
  session: MaintenanceSession,
  table: PartitionedTable,
  gone: FragmentSqlToken,
  transaction: CommonQueryMethods,
): Promise<void> {
  if (table === 'crm_events_log') {
    await session.change(sql.unsafe`${noting(gone)}`, transaction);
  }
}
