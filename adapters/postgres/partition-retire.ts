/**
 * Takes partitions past retention out of their tables, in two steps that each can be the last one before a crash: a
 * detached partition is a table of analytics_archive whose row in crm_retired says `detached`, until it is counted and
 * dropped or kept for good. Of what a legal hold keeps the rest is removed, and it stays `detached` until it is lifted.
 */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { PARTITIONED, type PartitionedTable } from '../../activities/maintenance-ports.ts';
import { whenUnlocked } from './maintenance-patience.ts';
import { type MaintenanceSession, within } from './maintenance-session.ts';
import { noteDeliveries } from './retired-deliveries.ts';

/** In milliseconds. All who use the table wait while somebody waits for its strongest lock. */
const BRIEF = { lockMs: 50, statementMs: 1_000 };
const LEISURELY = { lockMs: 3_000, statementMs: 3_600_000 };

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
  return connection.exists(sql.unsafe`
    SELECT 1 FROM ${sql.identifier(['analytics', partition])} WHERE processed_at >= ${cutoff}::timestamptz
  `);
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
 * Archives a partition by hand.
 * @returns its new name, null when its table was never free to be locked
 */
export async function archivePartition(
  connection: CommonQueryMethods,
  table: PartitionedTable,
  partition: string,
): Promise<string | null> {
  const retiredId = await whenUnlocked(AbortSignal.timeout(LEISURELY.lockMs), () =>
    within(connection, BRIEF, (transaction) =>
      transaction.oneFirst(sql.type(z.object({ retiredId: z.number() }))`
        SELECT analytics.crm_retire_partition(${table}, ${partition}, 'archived') AS "retiredId"
      `),
    ),
  );
  if (retiredId === null) {
    return null;
  }
  const archivedAs = `${partition}_r${retiredId}`;
  await connection.query(sql.unsafe`
    UPDATE analytics.crm_retired
    SET rows = (SELECT count(*) FROM ${sql.identifier(['analytics_archive', archivedAs])})
    WHERE retired_id = ${retiredId}
  `);
  return archivedAs;
}

const retiredRow = z.object({
  retiredId: z.number(),
  parent: z.enum(PARTITIONED),
  archivedAs: z.string(),
  drop: z.boolean(),
});
type Retired = z.infer<typeof retiredRow>;

/** Where the rule is gone that had it detached, nothing is dropped. */
async function unfinished(connection: CommonQueryMethods): Promise<readonly Retired[]> {
  return connection.any(sql.type(retiredRow)`
    SELECT t.retired_id AS "retiredId", t.parent, t.partition || '_r' || t.retired_id AS "archivedAs",
      COALESCE(r.keep_days IS NOT NULL AND r.afterwards = 'drop', false) AS drop
    FROM analytics.crm_retired t
    LEFT JOIN analytics.crm_retention r ON r.parent = t.parent AND r.organization_id = ''
    WHERE t.how = 'detached'
    ORDER BY t.retired_id
  `);
}

async function finish(session: MaintenanceSession, { retiredId, parent, archivedAs, drop }: Retired): Promise<void> {
  const table = sql.identifier(['analytics_archive', archivedAs]);
  await within(session.connection, LEISURELY, async (transaction) => {
    // No hold is placed between looking for those there are and the drop.
    await session.change(sql.unsafe`LOCK TABLE analytics.crm_legal_holds IN SHARE MODE`, transaction);
    const { rows, held } = await transaction.one(sql.type(z.object({ rows: z.number(), held: z.number() }))`
      SELECT count(*) AS rows, count(h.organization_id) AS held
      FROM ${table} t
      LEFT JOIN analytics.crm_legal_holds h ON h.organization_id = t.organization_id
    `);
    const settle = (how: string) =>
      session.change(
        sql.unsafe`
          UPDATE analytics.crm_retired SET how = ${how}, rows = greatest(rows, ${rows}) WHERE retired_id = ${retiredId}
        `,
        transaction,
      );
    if (!drop) {
      await settle('archived');
      session.count('archived', 1);
      session.count('archivedRows', rows);
    } else if (held === 0) {
      await noteDeliveries(session, parent, sql.fragment`SELECT * FROM ${table}`, transaction);
      await session.change(sql.unsafe`DROP TABLE ${table}`, transaction);
      await settle('dropped');
      session.count('dropped', 1);
      session.count('droppedRows', rows);
    } else {
      session.count('held', 1);
      if (held < rows) {
        session.note(`analytics_archive.${archivedAs} stays with the ${held} rows that a legal hold keeps`);
        await keepHeld(session, parent, archivedAs, transaction);
        await settle('detached');
        session.count('droppedRows', rows - held);
      }
    }
  });
}

/** What is held is written anew, so that nothing of the rest is left on the disk. */
async function keepHeld(
  session: MaintenanceSession,
  parent: PartitionedTable,
  archivedAs: string,
  transaction: CommonQueryMethods,
): Promise<void> {
  const table = sql.identifier(['analytics_archive', archivedAs]);
  const others = sql.fragment`
    SELECT t.* FROM ${table} t
    WHERE NOT EXISTS (SELECT 1 FROM analytics.crm_legal_holds h WHERE h.organization_id = t.organization_id)
  `;
  await noteDeliveries(session, parent, others, transaction);
  const kept = sql.identifier(['analytics_archive', `${archivedAs}_held`]);
  await session.change(sql.unsafe`CREATE TABLE ${kept} (LIKE ${table} INCLUDING ALL)`, transaction);
  await session.change(
    sql.unsafe`
      INSERT INTO ${kept}
      SELECT t.* FROM ${table} t JOIN analytics.crm_legal_holds h ON h.organization_id = t.organization_id
    `,
    transaction,
  );
  await session.change(sql.unsafe`DROP TABLE ${table}`, transaction);
  await session.change(sql.unsafe`ALTER TABLE ${kept} RENAME TO ${sql.identifier([archivedAs])}`, transaction);
}
