/** The schemas that the events log knows, by the coordinates and times of deliveries. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Origin } from '../../activities/history-ports.ts';
import { bigints, instants, ints, texts } from './column-fragments.ts';

/** A delivery, and the time at which it was logged in epoch milliseconds. */
export type LoggedDelivery = Origin & { loggedAt: number };

/** @returns the schema of each delivery, null where the log has none of it */
export async function loggedSchemas(
  connection: CommonQueryMethods,
  deliveries: readonly LoggedDelivery[],
): Promise<Array<number | null>> {
  if (deliveries.length === 0) return [];
  const found = await connection.any(loggedSchemasQuery(deliveries));
  return found.map(({ schemaId }) => schemaId);
}

/** The times are what the planner finds the partitions by, so that it locks no others. */
export function loggedSchemasQuery(deliveries: readonly LoggedDelivery[]) {
  const times = deliveries.map(({ loggedAt }) => loggedAt);
  return sql.type(z.object({ schemaId: z.number().nullable() }))`
    SELECT log.schema_id AS "schemaId"
    FROM unnest(
      ${texts(deliveries.map(({ topic }) => topic))}, ${ints(deliveries.map(({ incarnation }) => incarnation))},
      ${ints(deliveries.map(({ partition }) => partition))}, ${bigints(deliveries.map(({ offset }) => offset))},
      ${instants(times)}
    ) WITH ORDINALITY AS d(topic, incarnation, partition, "offset", logged_at, ord)
    LEFT JOIN LATERAL (
      SELECT l.schema_id
      FROM analytics.crm_events_log l
      WHERE l.topic = d.topic AND l.partition = d.partition AND l."offset" = d."offset"
        AND l.topic_incarnation = d.incarnation AND l.event_timestamp = d.logged_at
        AND l.event_timestamp = ANY (${instants([...new Set(times)])})
      OFFSET 0
    ) log ON true
    ORDER BY d.ord
  `;
}
