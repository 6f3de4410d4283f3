/**
 * Retention that no whole partition can go by: rows of an organization that are kept for a shorter time than their
 * table's, and undated rows of the log, which go by when they were processed. Deleted in small batches at a bounded
 * pace, each with its row in crm_retired in the same statement.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { PARTITIONED, type PartitionedTable } from '../../activities/maintenance-ports.ts';
import { LEISURELY, type MaintenanceSession, within } from './maintenance-session.ts';
import { noting } from './retired-deliveries.ts';

/** 512 KiB, walked through one after the other: some 2,000 rows. */
const BLOCKS = 64;
/** Between two batches that had rows to delete, in milliseconds: at most some 20,000 rows a second. */
const PAUSE_MS = 100;

/** Rows of one organization in one partition, or (without one) its undated rows. Times as PostgreSQL writes them. */
const expiredRow = z.object({
  partition: z.string(),
  /** What comes late is kept for as long as the rest, counted from when it came. */
  rebuilds: z.boolean(),
  organizationId: z.string().nullable(),
  cutoff: z.string(),
  lower: z.string(),
  upper: z.string(),
});
type Expired = z.infer<typeof expiredRow>;

/** @see MaintenanceWork.deleteExpired */
export async function deleteExpiredRows(session: MaintenanceSession): Promise<void> {
  const { connection, signal } = session;
  for (const table of PARTITIONED) {
    for (const partition of await partitionsToSearch(connection, table)) {
      if (signal.aborted) {
        return;
      }
      const found = await within(connection, LEISURELY, (transaction) =>
        expiredOfOrganizations(transaction, table, partition),
      );
      for (const expired of found) {
        await deleteRows(session, table, expired);
      }
    }
    for (const expired of await undated(connection, table)) {
      await deleteRows(session, table, expired);
    }
  }
}

/** What is added behind the end that the partition has now is left to the next run. */
async function deleteRows(session: MaintenanceSession, table: PartitionedTable, expired: Expired): Promise<void> {
  const blocks = await countBlocks(session.connection, expired.partition);
  let gone = 0;
  for (let from = 0; from < blocks && !session.signal.aborted; from += BLOCKS) {
    const [batch] = await session.change(deletion(table, expired, from));
    if (batch === undefined) {
      break; // A dry run tells it once.
    }
    if (batch.gone > 0) {
      gone += batch.gone;
      session.count('rows', batch.gone);
      await sleep(PAUSE_MS, undefined, { signal: session.signal }).catch(() => undefined);
    }
  }
  if (gone > 0) {
    await session.change(sql.unsafe`SELECT analytics.crm_analyze_partition(${expired.partition})`);
  }
}

function countBlocks(connection: CommonQueryMethods, partition: string): Promise<number> {
  return connection.oneFirst(sql.type(z.object({ blocks: z.number() }))`
    SELECT pg_relation_size(${`analytics.${partition}`}::regclass) / current_setting('block_size')::bigint AS blocks
  `);
}

/** What a person puts on hold is left from the next statement on. */
function deletion(
  table: PartitionedTable,
  { partition, rebuilds, organizationId, cutoff, lower, upper }: Expired,
  from: number,
) {
  const past =
    organizationId === null
      ? sql.fragment`t.processed_at < ${cutoff}`
      : sql.fragment`
          t.organization_id = ${organizationId} AND t.event_timestamp < ${cutoff}
          AND (NOT ${rebuilds} OR t.processed_at < ${cutoff})
        `;
  return sql.type(z.object({ gone: z.number() }))`
    WITH gone AS (
      DELETE FROM ${sql.identifier(['analytics', partition])} t
      WHERE t.ctid >= ${`(${from},0)`}::tid AND t.ctid < ${`(${from + BLOCKS},0)`}::tid
        AND ${past} AND NOT EXISTS (
          SELECT 1 FROM analytics.crm_legal_holds h WHERE h.organization_id = t.organization_id
        )
      RETURNING *
    ),
    ${table === 'crm_events_log' ? sql.fragment`noted AS (${noting(sql.fragment`SELECT * FROM gone`)}),` : sql.fragment``}
    counted AS (
      SELECT count(*) AS rows FROM gone
    ),
    more AS (
      UPDATE analytics.crm_retired r
      SET rows = r.rows + c.rows, retired_at = clock_timestamp()
      FROM counted c
      WHERE c.rows > 0 AND r.parent = ${table} AND r.partition = ${partition} AND r.how = 'deleted'
        AND r.organization_id IS NOT DISTINCT FROM ${organizationId} AND r.upper_bound = ${upper}
      RETURNING 1
    ),
    first AS (
      INSERT INTO analytics.crm_retired (parent, partition, organization_id, lower_bound, upper_bound, rows, how)
      SELECT ${table}, ${partition}, ${organizationId}, ${lower}, ${upper}, c.rows, 'deleted'
      FROM counted c
      WHERE c.rows > 0 AND NOT EXISTS (SELECT 1 FROM more)
    )
    SELECT rows AS gone FROM counted
  `;
}

/** The rules for organizations of a table, without those on hold. */
const rulesOf = (table: PartitionedTable) => sql.fragment`
  SELECT r.organization_id, r.late = 'rebuild' AS rebuilds,
    date_trunc('day', now(), 'UTC') - r.keep_days * interval '1 day' AS cutoff
  FROM analytics.crm_retention r
  WHERE r.parent = ${table} AND r.organization_id <> '' AND r.keep_days IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM analytics.crm_legal_holds h WHERE h.organization_id = r.organization_id)
`;

/** Those that are old enough for any of the rules, and the DEFAULT partition. */
function partitionsToSearch(connection: CommonQueryMethods, table: PartitionedTable): Promise<readonly string[]> {
  return connection.anyFirst(sql.type(z.object({ partition: z.string() }))`
    SELECT p.partition
    FROM analytics.crm_partitions p
    JOIN (SELECT max(cutoff) AS cutoff FROM (${rulesOf(table)}) AS rule) AS latest
      ON p.is_default OR p.lower_bound < latest.cutoff
    WHERE p.parent = ${table} AND latest.cutoff IS NOT NULL
    ORDER BY p.lower_bound
  `);
}

/** Looks at one partition at a time: who reads the whole table keeps lanes from attaching a new one. */
function expiredOfOrganizations(
  connection: CommonQueryMethods,
  table: PartitionedTable,
  partition: string,
): Promise<readonly Expired[]> {
  return connection.any(sql.type(expiredRow)`
    WITH rule AS MATERIALIZED (${rulesOf(table)}),
    found AS (
      SELECT DISTINCT rule.organization_id, rule.rebuilds, rule.cutoff
      FROM rule
      JOIN ${sql.identifier(['analytics', partition])} t
        ON t.organization_id = rule.organization_id AND t.event_timestamp < rule.cutoff
    )
    SELECT p.partition, f.rebuilds, f.organization_id AS "organizationId", f.cutoff::text AS cutoff,
      COALESCE(p.lower_bound, '-infinity')::text AS lower, least(p.upper_bound, f.cutoff)::text AS upper
    FROM found f
    JOIN analytics.crm_partitions p ON p.parent = ${table} AND p.partition = ${partition}
    ORDER BY f.organization_id
  `);
}

function undated(connection: CommonQueryMethods, table: PartitionedTable): Promise<readonly Expired[]> {
  return connection.any(sql.type(expiredRow)`
    SELECT p.partition, false AS rebuilds, NULL AS "organizationId",
      (date_trunc('day', now(), 'UTC') - r.keep_days * interval '1 day')::text AS cutoff,
      p.lower_bound::text AS lower, p.upper_bound::text AS upper
    FROM analytics.crm_retention r
    JOIN analytics.crm_partitions p ON p.parent = r.parent
    WHERE r.parent = ${table} AND r.organization_id = '' AND r.keep_days IS NOT NULL
      AND p.lower_bound = '-infinity' AND p.upper_bound < 'infinity'
  `);
}
