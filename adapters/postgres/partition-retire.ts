/**
 * Takes partitions past retention out of their tables, in two steps that each can be the last one before a crash: a
 * detached partition is a table of analytics_archive whose row in crm_retired says `detached`, until it is finished.
 */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { PARTITIONED, type PartitionedTable } from '../../activities/maintenance-ports.ts';
import { whenUnlocked } from './maintenance-patience.ts';
import { LEISURELY, type MaintenanceSession, within } from './maintenance-session.ts';
import { finish, unfinished } from './partition-finish.ts';

/** In milliseconds. All who use the table wait while somebody waits for its strongest lock. */
const BRIEF = { lockMs: 50, statementMs: 1_000 };

/** @see MaintenanceWork.retire */
export async function retirePartitions(session: MaintenanceSession): Promise<void> {
  for (const table of PARTITIONED) {
    for (const partition of await pastRetention(session.connection, table)) {
      if (session.signal.aborted) {
        return;
      }
      if (!partition.rebuilds || !(await hasLateRows(session.connection, partition))) {
        await detach(session, table, partition);
      }
    }
  }
  for (const retired of await unfinished(session.connection)) {
    if (session.signal.aborted) {
      return;
    }
    await finish(session, retired);
  }
}

const expiredRow = z.object({
  partition: z.string(),
  afterwards: z.enum(['drop', 'archive']),
  rebuilds: z.boolean(),
  cutoff: z.string(),
});
type Expired = z.infer<typeof expiredRow>;

/** By whole days of event time. Undated rows go by themselves, see retention-deletes.ts. */
async function pastRetention(connection: CommonQueryMethods, table: PartitionedTable): Promise<readonly Expired[]> {
  return connection.any(sql.type(expiredRow)`
    SELECT p.partition, r.afterwards, r.late = 'rebuild' AS rebuilds,
      (date_trunc('day', now(), 'UTC') - r.keep_days * interval '1 day')::text AS cutoff
    FROM analytics.crm_retention r
    JOIN analytics.crm_partitions p ON p.parent = r.parent
    WHERE r.parent = ${table} AND r.organization_id = '' AND p.lower_bound > '-infinity'
      AND p.upper_bound <= date_trunc('day', now(), 'UTC') - r.keep_days * interval '1 day'
    ORDER BY p.lower_bound
  `);
}

/** Where late events are taken in, what came late is kept for as long as the rest, counted from when it came. */
function hasLateRows(connection: CommonQueryMethods, { partition, cutoff }: Expired): Promise<boolean> {
  return within(connection, LEISURELY, (transaction) =>
    transaction.exists(sql.unsafe`
      SELECT 1 FROM ${sql.identifier(['analytics', partition])} WHERE processed_at >= ${cutoff}::timestamptz
    `),
  );
}

async function detach(
  session: MaintenanceSession,
  table: PartitionedTable,
  { partition, afterwards }: Expired,
): Promise<void> {
  const retired = await whenUnlocked(session.signal, () =>
    within(session.connection, BRIEF, (transaction) =>
      session.change(
        sql.unsafe`SELECT analytics.crm_retire_partition(${table}, ${partition}, 'detached')`,
        transaction,
      ),
    ),
  );
  if (retired !== null) {
    session.count('detached', 1);
    if (session.dryRun) {
      session.note(
        `${partition} would then be ${afterwards === 'drop' ? 'dropped, but for rows on hold' : 'kept there'}`,
      );
    }
    return;
  }
  session.count('locked', 1);
  session.note(
    `${partition} stays for now, its table was never free to be locked for a moment: the next run tries again`,
  );
}

/**
 * Archives a partition by hand. Its rows are counted before, at leisure: what comes in between is not in the count.
 * @returns its new name, null when its table was never free to be locked
 */
export async function archivePartition(
  connection: CommonQueryMethods,
  table: PartitionedTable,
  partition: string,
): Promise<string | null> {
  const rows = await within(connection, LEISURELY, (transaction) =>
    transaction.oneFirst(sql.type(z.object({ rows: z.number() }))`
      SELECT analytics.crm_count_partition(${table}, ${partition}) AS rows
    `),
  );
  return whenUnlocked(AbortSignal.timeout(LEISURELY.lockMs), () =>
    within(connection, BRIEF, async (transaction) => {
      const retiredId = await transaction.oneFirst(sql.type(z.object({ retiredId: z.number() }))`
        SELECT analytics.crm_retire_partition(${table}, ${partition}, 'archived') AS "retiredId"
      `);
      await transaction.query(sql.unsafe`
        UPDATE analytics.crm_retired SET rows = ${rows} WHERE retired_id = ${retiredId}
      `);
      return `${partition}_r${retiredId}`;
    }),
  );
}
