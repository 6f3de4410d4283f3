/** Writes down what retention deletes of the events log, so that the books of those offsets can still be proved. */
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
