/** What retention took out of the events log, and from the ledger: where it went, and what was written down of it. */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { AuditTarget } from '../../activities/audit-ports.ts';
import type { OffsetSpan } from '../../domain/books.ts';
import { LOG_STATUSES, NO_STATUSES, type StatusCounts } from '../../domain/status-counts.ts';

/** The events log with those of its partitions that are kept in analytics_archive: to be read like one table. */
export async function logWithArchives(connection: CommonQueryMethods): Promise<FragmentSqlToken> {
  const archived = await connection.anyFirst(sql.type(z.object({ name: z.string() }))`
    SELECT c.relname::text AS name
    FROM analytics.crm_retired r
    JOIN pg_class c ON c.relname = r.partition || '_r' || r.retired_id
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'analytics_archive'
    WHERE r.parent = 'crm_events_log' AND r.how IN ('archived', 'detached')
    ORDER BY r.retired_id
  `);
  const tables = [
    sql.identifier(['analytics', 'crm_events_log']),
    ...archived.map((name) => sql.identifier(['analytics_archive', name])),
  ];
  const columns = sql.fragment`
    topic, partition, "offset", topic_incarnation, event_id, organization_id, processing_status, event_timestamp,
    processed_at
  `;
  const all = tables.map((table) => sql.fragment`SELECT ${columns} FROM ${table}`);
  return sql.fragment`(${sql.join(all, sql.fragment` UNION ALL `)})`;
}

export interface RetiredCounts {
  /** Of rows that were deleted and lie in the range for certain. */
  within: StatusCounts;
  /** Of rows that may lie in it: they were counted with others beyond its ends. */
  maybe: StatusCounts;
}

export async function countRetired(
  connection: CommonQueryMethods,
  { topic, partition, incarnation }: AuditTarget & { incarnation: number },
  { from, to }: OffsetSpan,
): Promise<RetiredCounts> {
  const rows = await connection.any(sql.type(
    z.object({ status: z.enum(LOG_STATUSES), within: z.number(), maybe: z.number() }),
  )`
    SELECT processing_status AS status,
      COALESCE(sum(events) FILTER (WHERE first_offset >= ${from} AND last_offset < ${to}), 0)::bigint AS within,
      COALESCE(sum(events) FILTER (WHERE first_offset < ${from} OR last_offset >= ${to}), 0)::bigint AS maybe
    FROM analytics.crm_retired_deliveries
    WHERE topic = ${topic} COLLATE "C" AND partition = ${partition} AND topic_incarnation = ${incarnation}
      AND first_offset < ${to} AND last_offset >= ${from}
    GROUP BY processing_status
  `);
  const counts = (of: 'within' | 'maybe'): StatusCounts => ({
    ...NO_STATUSES,
    ...Object.fromEntries(rows.map((row) => [row.status, row[of]])),
  });
  return { within: counts('within'), maybe: counts('maybe') };
}

/** How many ids of the source the ledger has forgotten, and which: those first seen before; null without any. */
export async function prunedOf(
  connection: CommonQueryMethods,
  { sourceId }: AuditTarget,
): Promise<{ ids: number; before: string | null }> {
  return connection.one(sql.type(z.object({ ids: z.number(), before: z.string().nullable() }))`
    SELECT COALESCE(sum(rows), 0)::bigint AS ids, max(first_seen_before)::text AS before
    FROM analytics.crm_ledger_prunes
    WHERE source_id = ${sourceId}
  `);
}
