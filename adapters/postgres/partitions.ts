/**
 * Partitions of the staging tables and the log. The writer asks before each batch, so the answer is kept in memory and
 * the database is asked only for a day (or month) that was never seen.
 */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Entity } from '../../domain/events.ts';
import { guarded } from './errors.ts';

export type PartitionInterval = 'day' | 'month';

export const PARTITIONED_TABLES = {
  lead: 'crm_leads_staging',
  contact: 'crm_contacts_staging',
  opportunity: 'crm_opportunities_staging',
  log: 'crm_events_log',
} as const;

type Table = (typeof PARTITIONED_TABLES)[keyof typeof PARTITIONED_TABLES];

const DAY_MS = 86_400_000;

export interface PartitionKeeper {
  /**
   * Makes the partitions that rows of these times need, in a short transaction of its own.
   * @param needed epoch milliseconds by table
   */
  ensure(connection: CommonQueryMethods, needed: ReadonlyMap<Entity | 'log', ReadonlySet<number>>): Promise<void>;
}

/** Start of the UTC day, in epoch milliseconds: partition bounds lie on days, so one look-up a day is enough. */
export function dayOf(time: number): number {
  return time - (((time % DAY_MS) + DAY_MS) % DAY_MS);
}

/** Keeps what it learned for as long as the process lives; share one among all lanes. */
export function createPartitionKeeper(interval: PartitionInterval): PartitionKeeper {
  const seen = new Map<Table, Set<number>>(
    Object.values(PARTITIONED_TABLES).map((table) => [table, new Set<number>()]),
  );

  async function ensure(
    connection: CommonQueryMethods,
    needed: ReadonlyMap<Entity | 'log', ReadonlySet<number>>,
  ): Promise<void> {
    for (const [kind, days] of needed) {
      const table = PARTITIONED_TABLES[kind];
      const known = seen.get(table) ?? new Set();
      for (const day of days) {
        if (!known.has(day)) {
          await ensurePartition(connection, table, day, interval);
          known.add(day);
        }
      }
    }
  }

  return { ensure };
}

/**
 * Makes sure that `table` has a partition for the day.
 * @returns whether it had to make one
 * @throws WriteError also when the lock on the table can't be had within two seconds: try again
 */
export function ensurePartition(
  connection: CommonQueryMethods,
  table: Table,
  day: number,
  interval: PartitionInterval,
): Promise<boolean> {
  return guarded(() =>
    connection.transaction(async (transaction) => {
      // Attaching must never make ingestion queue up behind a lock that somebody else holds for long.
      await transaction.query(sql.unsafe`SET LOCAL lock_timeout = '2s'`);
      return transaction.oneFirst(sql.type(z.object({ made: z.boolean() }))`
        SELECT analytics.crm_ensure_partition(${table}, to_timestamp(${day / 1000}), ${interval}) AS made
      `);
    }),
  );
}

/**
 * Makes the partitions of all tables from the one that holds `from` to `ahead` intervals later.
 * @param from epoch milliseconds
 * @returns how many were made
 */
export async function createPartitionsAhead(
  connection: CommonQueryMethods,
  from: number,
  ahead: number,
  interval: PartitionInterval,
): Promise<number> {
  let made = 0;
  for (const table of Object.values(PARTITIONED_TABLES)) {
    for (let step = 0; step <= ahead; step += 1) {
      const start = new Date(dayOf(from));
      const at =
        interval === 'day'
          ? start.getTime() + step * DAY_MS
          : Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + step, 1);
      made += (await ensurePartition(connection, table, at, interval)) ? 1 : 0;
    }
  }
  return made;
}
