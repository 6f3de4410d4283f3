/**
 * Drains the DEFAULT partitions, span by span: the rows are copied to a table of their own that nobody sees, then one
 * short statement makes the copy exact and a partition, and takes the rows from the DEFAULT partition. Until that commits
 * readers find them where they were; whatever dies before leaves a copy behind, which the next run throws away.
 */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { PARTITIONED, type PartitionedTable } from '../../activities/maintenance-ports.ts';
import { whenUnlocked } from './maintenance-patience.ts';
import { type MaintenanceSession, within } from './maintenance-session.ts';
import type { PartitionInterval } from './partitions.ts';

/** More rows than this can't be attached within 100 ms. */
const MOST_ROWS = 10_000;

/** In milliseconds: together a drain holds and waits for its locks no longer than `statementMs`. */
const BRIEF = { lockMs: 50, statementMs: 100 };
const WINDOW = { lockMs: 3_000, statementMs: 3_600_000 };
const COPY = { lockMs: 3_000, statementMs: 3_600_000 };

/** A span of a DEFAULT partition, as PostgreSQL writes times. */
const spanRow = z.object({ lower: z.string(), upper: z.string(), rows: z.number(), day: z.string() });
type Span = z.infer<typeof spanRow>;

/** @see MaintenanceWork.drain */
export async function drainDefaults(session: MaintenanceSession, interval: PartitionInterval): Promise<void> {
  for (const table of PARTITIONED) {
    await dropLeftover(session, table);
    const rows = await countDefault(session.connection, table);
    session.count('found', rows);
    if (rows === 0) {
      continue;
    }
    await noteIncident(session, table, rows);
    for (
      let span = await spanFrom(session.connection, table, '-infinity', interval);
      span !== null && !session.signal.aborted;
      span = await spanFrom(session.connection, table, span.upper, interval)
    ) {
      await drainSpan(session, table, span);
    }
  }
}

async function drainSpan(session: MaintenanceSession, table: PartitionedTable, span: Span): Promise<void> {
  const { connection, maintenanceWindow } = session;
  if (span.rows > MOST_ROWS && !maintenanceWindow) {
    session.count('refused', span.rows);
    session.note(
      `${table}: ${span.rows} rows from ${span.day} on stay in the DEFAULT partition, more than ${MOST_ROWS} can not be moved within 100 ms: run with maintenanceWindow when readers and writers may wait`,
    );
    return;
  }
  await copy(session, table, span);
  const moved = await whenUnlocked(session.signal, () =>
    within(connection, maintenanceWindow ? WINDOW : BRIEF, (transaction) =>
      session.change(
        sql.type(z.object({ moved: z.number() }))`
          SELECT analytics.crm_attach_drained(
            ${table}, ${fallbackOf(table)}, ${drainingOf(table)}, ${span.lower}, ${span.upper}
          ) AS moved
        `,
        transaction,
      ),
    ),
  );
  if (moved === null) {
    await dropLeftover(session, table);
    session.count('refused', span.rows);
    session.note(
      `${table}: ${span.rows} rows from ${span.day} on stay in the DEFAULT partition, its lock could not be had, or not for long enough: the next run tries again`,
    );
    return;
  }
  session.count('drained', moved[0]?.moved ?? 0);
}

/** Holds no lock that anybody waits for. */
async function copy(session: MaintenanceSession, table: PartitionedTable, span: Span): Promise<void> {
  await within(session.connection, COPY, (transaction) =>
    session.change(sql.unsafe`SELECT analytics.crm_copy_default(${table}, ${span.lower}, ${span.upper})`, transaction),
  );
}

async function dropLeftover(session: MaintenanceSession, table: PartitionedTable): Promise<void> {
  const left = await session.connection.oneFirst(sql.type(z.object({ left: z.boolean() }))`
    SELECT to_regclass(${`analytics.${drainingOf(table)}`}) IS NOT NULL AS left
  `);
  if (left) {
    await session.change(sql.unsafe`SELECT analytics.crm_drop_draining(${table})`);
  }
}

/** The first rows at or after `from`, and the partition that they need. */
function spanFrom(
  connection: CommonQueryMethods,
  table: PartitionedTable,
  from: string,
  interval: PartitionInterval,
): Promise<Span | null> {
  const fallback = sql.identifier(['analytics', fallbackOf(table)]);
  return connection.maybeOne(sql.type(spanRow)`
    SELECT s.lower_bound::text AS lower, s.upper_bound::text AS upper,
      to_char(f.at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
      (
        SELECT count(*) FROM ${fallback} d
        WHERE d.event_timestamp >= s.lower_bound AND d.event_timestamp < s.upper_bound
      ) AS rows
    FROM (SELECT min(event_timestamp) AS at FROM ${fallback} WHERE event_timestamp >= ${from}) f
    CROSS JOIN LATERAL analytics.crm_partition_span(${table}, f.at, ${interval}) s
    WHERE f.at IS NOT NULL
  `);
}

export function countDefault(connection: CommonQueryMethods, table: PartitionedTable): Promise<number> {
  return connection.oneFirst(sql.type(z.object({ rows: z.number() }))`
    SELECT count(*) AS rows FROM ${sql.identifier(['analytics', fallbackOf(table)])}
  `);
}

async function noteIncident(session: MaintenanceSession, table: PartitionedTable, rows: number): Promise<void> {
  await session.change(sql.unsafe`
    INSERT INTO analytics.crm_incidents (kind, details)
    VALUES ('default_rows', jsonb_build_object('table', ${table}::text, 'rows', ${rows}::bigint))
  `);
  session.note(`${table}: ${rows} rows were in the DEFAULT partition, where none should be`);
}

function fallbackOf(table: PartitionedTable): string {
  return `${table}_default`;
}

function drainingOf(table: PartitionedTable): string {
  return `${table}_draining`;
}
