/** The steps of partition maintenance, each alone on the database. */
import { type CommonQueryMethods, type DatabasePool, sql } from 'slonik';
import { z } from 'zod';
import { type MaintenanceWork, PARTITIONED } from '../../activities/maintenance-ports.ts';
import { keepAuditLog } from './audit-trail-retention.ts';
import { guarded } from './errors.ts';
import { ledgerTopics, pruneLedger } from './ledger-prune.ts';
import { whenUnlocked } from './maintenance-patience.ts';
import { alone, type MaintenanceSession } from './maintenance-session.ts';
import { countDefault, drainDefaults } from './partition-drain.ts';
import { retirePartitions } from './partition-retire.ts';
import { aheadOf, makePartitions, missingPartitions, type PartitionInterval } from './partitions.ts';
import { deleteExpiredRows } from './retention-deletes.ts';
import { forgetUnreadable } from './retention-unreadable.ts';
import { deleteExpiredVersions } from './retention-versions.ts';

export interface MaintenanceOptions {
  interval: PartitionInterval;
  /** How many partitions of each table are made ahead. */
  ahead: number;
}

export function createMaintenanceWork(pool: DatabasePool, { interval, ahead }: MaintenanceOptions): MaintenanceWork {
  return {
    makeAhead: (options) => alone(pool, options, (session) => makeAhead(session, interval, ahead)),
    drain: (options) => alone(pool, options, (session) => drainDefaults(session, interval)),
    retire: (options) => alone(pool, options, retirePartitions),
    deleteExpired: (options) =>
      alone(pool, options, async (session) => {
        await deleteExpiredRows(session);
        await deleteExpiredVersions(session);
      }),
    pruneLedger: (options) => alone(pool, options, (session) => pruneLedger(session, options.keepDays)),
    forgetUnreadable: (options) => alone(pool, options, (session) => forgetUnreadable(session, options)),
    keepAuditLog: (options) => alone(pool, options, (session) => keepAuditLog(session, options)),
    measure: () => guarded(() => measure(pool)),
    ledgerTopics: () => guarded(() => ledgerTopics(pool)),
  };
}

async function makeAhead(session: MaintenanceSession, interval: PartitionInterval, ahead: number): Promise<void> {
  const { connection, signal, dryRun } = session;
  session.count('made', 0);
  for (const missing of await missingPartitions(connection, aheadOf(Date.now(), ahead, interval))) {
    if (dryRun) {
      const at = new Date(missing.at).toISOString();
      await session.change(sql.unsafe`SELECT analytics.crm_ensure_partition(${missing.table}, ${at}, ${interval})`);
      continue;
    }
    const made = await whenUnlocked(signal, () => makePartitions(connection, [missing], interval));
    if (made === null) {
      session.note('Some partitions ahead are not made yet, somebody reads a whole table: the sweep makes them');
      return;
    }
    session.count('made', made);
  }
}

async function measure(connection: CommonQueryMethods): ReturnType<MaintenanceWork['measure']> {
  const counts = await connection.any(sql.type(z.object({ table: z.enum(PARTITIONED), partitions: z.number() }))`
    SELECT parent AS table, count(*) AS partitions FROM analytics.crm_partitions GROUP BY parent ORDER BY parent
  `);
  const measured = [];
  for (const count of counts) {
    measured.push({ ...count, defaultRows: await countDefault(connection, count.table) });
  }
  return measured;
}
