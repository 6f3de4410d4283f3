import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { DueRetry, FailedEvent, FailedEvents } from '../../activities/failed-ports.ts';
import { createDataKeys, type DataKeys } from './data-keys.ts';
import { guarded } from './errors.ts';
import { type OpenedRow, openRows } from './kept-messages.ts';

const BYTES = z.instanceof(Buffer);

const takenRow = z.object({
  failedId: z.number(),
  status: z.enum(['failed', 'dead']),
  topic: z.string(),
  partition: z.number(),
  sourceId: z.number(),
  incarnation: z.number(),
  offset: z.number(),
  record_timestamp: z.number(),
  key: BYTES.nullable(),
  value: BYTES.nullable(),
  headers: z.array(z.tuple([z.string(), z.string().nullable()])).nullable(),
  event_timestamp: z.number(),
  attempts: z.number(),
  redrives: z.number(),
  sealedBy: z.string().nullable(),
  correction: z.unknown(),
  corrected_us: z.number().nullable(),
});

function toFailedEvent(row: OpenedRow<z.infer<typeof takenRow>>): FailedEvent {
  const { topic, partition, incarnation, unreadable } = row;
  return {
    failedId: row.failedId,
    status: row.status,
    source: { topic, partition, incarnation, sourceId: row.sourceId },
    record: {
      offset: row.offset,
      timestamp: row.record_timestamp,
      key: row.key,
      value: row.value,
      headers: row.headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value, 'base64')]),
    },
    loggedAt: row.event_timestamp,
    attempts: row.attempts,
    redrives: row.redrives,
    correction: row.correction,
    correctedAt: row.corrected_us,
    ...(unreadable !== null && { unreadable }),
  };
}

/** Failed events as retries find them. */
export function createFailedEvents(
  connection: CommonQueryMethods,
  dataKeys: DataKeys = createDataKeys(null),
): FailedEvents {
  return {
    take: (failedIds) => guarded(() => take(connection, dataKeys, failedIds)),
    at: (coordinates) => guarded(() => at(connection, coordinates)),
    due: (due, limit) => guarded(() => dueRetries(connection, due, limit)),
  };
}

async function take(
  connection: CommonQueryMethods,
  dataKeys: DataKeys,
  failedIds: readonly number[],
): Promise<FailedEvent[]> {
  const rows = await connection.any(sql.type(takenRow)`
    SELECT f.failed_id AS "failedId", f.status, f.topic, f.partition, f.source_id AS "sourceId", s.incarnation, f."offset",
      f.record_timestamp, f.key, f.value, f.headers, f.event_timestamp, f.attempts, f.redrives,
      f.sealed_by AS "sealedBy", f.correction, (extract(epoch FROM f.corrected_at) * 1000000)::bigint AS corrected_us
    FROM unnest(${sql.array(failedIds, 'int8')}) WITH ORDINALITY AS w(failed_id, ord)
    JOIN analytics.crm_failed_events f ON f.failed_id = w.failed_id
    JOIN analytics.crm_sources s ON s.source_id = f.source_id
    WHERE f.status IN ('failed', 'dead')
    ORDER BY w.ord
  `);
  return (await openRows(connection, dataKeys, rows)).map(toFailedEvent);
}

/** Of a topic that was made again, the newest incarnation is meant: the older ones are no longer in Kafka. */
async function at(
  connection: CommonQueryMethods,
  { topic, partition, offset }: Parameters<FailedEvents['at']>[0],
): ReturnType<FailedEvents['at']> {
  return connection.maybeOne(sql.type(
    z.object({ failedId: z.number(), settled: z.boolean(), organizationId: z.string().nullable() }),
  )`
    SELECT f.failed_id AS "failedId", f.status NOT IN ('failed', 'dead') AS settled, f.organization_id AS "organizationId"
    FROM analytics.crm_failed_events f
    WHERE f.source_id = (
        SELECT source_id FROM analytics.crm_sources WHERE topic = ${topic} COLLATE "C" ORDER BY incarnation DESC LIMIT 1
      )
      AND f.partition = ${partition} AND f."offset" = ${offset}
  `);
}

async function dueRetries(connection: CommonQueryMethods, due: number, limit: number): Promise<DueRetry[]> {
  const rows = await connection.any(sql.type(
    z.object({ failed_id: z.number(), attempts: z.number(), next_attempt_at: z.number() }),
  )`
    SELECT failed_id, attempts, next_attempt_at
    FROM analytics.crm_failed_events
    WHERE status = 'failed' AND next_attempt_at <= to_timestamp(${due}::double precision / 1000)
    ORDER BY next_attempt_at
    LIMIT ${limit}
  `);
  return rows.map((row) => ({ failedId: row.failed_id, attempts: row.attempts, dueAt: row.next_attempt_at }));
}
