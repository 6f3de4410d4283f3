/**
 * Partitions of the staging tables and the log. The writer asks before each batch, so the answer is kept in memory and
 * the database is asked only for a day (or month) that was never seen.
 */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { PARTITIONED, type PartitionedTable } from '../../activities/maintenance-ports.ts';
import { WriteError } from '../../activities/ports.ts';
import type { Entity } from '../../domain/events.ts';
import { instants, texts } from './column-fragments.ts';
import { guarded } from './errors.ts';

export type PartitionInterval = 'day' | 'month';

export const PARTITIONED_TABLES = {
  lead: 'crm_leads_staging',
  contact: 'crm_contacts_staging',
  opportunity: 'crm_opportunities_staging',
  log: 'crm_events_log',
} as const satisfies Record<Entity | 'log', PartitionedTable>;

type Table = PartitionedTable;

const DAY_MS = 86_400_000;

/**
 * How long the lock on the DEFAULT partition is waited for, in milliseconds. Readers of the whole table queue up behind
 * whoever waits, so only a lane, whose batch waits as well, asks for long.
 */
const LOCK_MS = { lane: 2_000, ahead: 100 };

/** How often in a row a lane waits for that lock in vain before its rows go to the DEFAULT partition. */
const LOCK_TRIES = 3;
/** How long they go there before the partition is asked for again. What is there is drained by the maintenance. */
const GO_WITHOUT_MS = 60_000;
/** SQLSTATE of a lock that could not be had in time. */
const LOCK_NOT_AVAILABLE = '55P03';

/** How long the keeper may not know that a partition was retired; what is written there meanwhile is drained again. */
const ASK_AGAIN_MS = 5_000;

export interface PartitionKeeper {
  /**
   * Makes the partitions that rows of these times need, in a short transaction of its own. Where the lock can't be had
   * again and again, rows go without for a while: a late event must not keep a lane waiting for whoever reads the table.
   * @param needed epoch milliseconds by table
   * @throws WriteError also when a lock can't be had for the first times: try again
   */
  ensure(connection: CommonQueryMethods, needed: ReadonlyMap<Entity | 'log', ReadonlySet<number>>): Promise<void>;
}

/** Start of the UTC day, in epoch milliseconds: partition bounds lie on days, so one look-up a day is enough. */
export function dayOf(time: number): number {
  return time - (((time % DAY_MS) + DAY_MS) % DAY_MS);
}

/**
 * Keeps what it learned until a partition is retired somewhere; share one among all lanes.
 * @param lockMs how long a lock on a DEFAULT partition is waited for
 */
export function createPartitionKeeper(interval: PartitionInterval, lockMs = LOCK_MS.lane): PartitionKeeper {
  const seen = new Map<Table, Set<number>>(
    Object.values(PARTITIONED_TABLES).map((table) => [table, new Set<number>()]),
  );

  /**
   * Failures to get the lock, and until when to go without, in epoch milliseconds. By table, whose partitions all need
   * the same lock: a hundred late days must not be tried one by one.
   */
  const locked = new Map<Table, { tries: number; until: number }>();

  let retired = 0;
  let askedAt = 0;

  /** A late event for a retired partition must not end up in the DEFAULT partition. */
  async function forgetRetired(connection: CommonQueryMethods): Promise<void> {
    if (Date.now() - askedAt < ASK_AGAIN_MS) {
      return;
    }
    askedAt = Date.now();
    const latest = await lastRetired(connection);
    if (latest !== retired) {
      retired = latest;
      for (const days of seen.values()) {
        days.clear();
      }
    }
  }

  async function ensure(
    connection: CommonQueryMethods,
    needed: ReadonlyMap<Entity | 'log', ReadonlySet<number>>,
  ): Promise<void> {
    await forgetRetired(connection);
    for (const [kind, days] of needed) {
      const table = PARTITIONED_TABLES[kind];
      const known = seen.get(table) ?? new Set();
      for (const day of days) {
        if (!known.has(day)) {
          if (await ensureUnlessLocked(connection, table, day)) {
            known.add(day);
          }
        }
      }
    }
  }

  /** @returns whether the partition is there; false when to go without it for now */
  async function ensureUnlessLocked(connection: CommonQueryMethods, table: Table, day: number): Promise<boolean> {
    const { tries, until } = locked.get(table) ?? { tries: 0, until: 0 };
    if (Date.now() < until) {
      return false;
    }
    try {
      await ensurePartition(connection, table, day, interval, lockMs);
      locked.delete(table);
      return true;
    } catch (error) {
      if (!(error instanceof WriteError) || error.code !== LOCK_NOT_AVAILABLE) {
        throw error;
      }
      const goesWithout = tries + 1 >= LOCK_TRIES;
      locked.set(table, { tries: tries + 1, until: goesWithout ? Date.now() + GO_WITHOUT_MS : 0 });
      if (!goesWithout) {
        throw error;
      }
      return false;
    }
  }

  return { ensure };
}

function lastRetired(connection: CommonQueryMethods): Promise<number> {
  return guarded(() =>
    connection.oneFirst(sql.type(z.object({ last: z.number() }))`
      SELECT COALESCE(max(retired_id), 0) AS last FROM analytics.crm_retired WHERE how <> 'deleted'
    `),
  );
}

/**
 * Makes sure that `table` has a partition for the day, as far as its DEFAULT partition holds none of that day's rows.
 * @returns whether it had to make one
 * @throws WriteError also when the lock on the DEFAULT partition can't be had within `lockMs`: try again
 */
export function ensurePartition(
  connection: CommonQueryMethods,
  table: Table,
  day: number,
  interval: PartitionInterval,
  lockMs = LOCK_MS.lane,
): Promise<boolean> {
  return guarded(() =>
    connection.transaction(async (transaction) => {
      // Attaching must never make ingestion queue up behind a lock that somebody else holds for long.
      await transaction.query(sql.unsafe`SELECT set_config('lock_timeout', ${String(lockMs)}, true)`);
      return transaction.oneFirst(sql.type(z.object({ made: z.boolean() }))`
        SELECT analytics.crm_ensure_partition(${table}, to_timestamp(${day / 1000}), ${interval}) AS made
      `);
    }),
  );
}

/** A partition that there should be: the one of `table` that holds `at`, in epoch milliseconds. */
export interface MissingPartition {
  table: Table;
  at: number;
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
  return makePartitions(connection, await missingPartitions(connection, aheadOf(from, ahead, interval)), interval);
}

/** The partitions that there should be from the one that holds `from` to `ahead` intervals later. */
export function aheadOf(from: number, ahead: number, interval: PartitionInterval): MissingPartition[] {
  return PARTITIONED.flatMap((table) => intervalsFrom(from, ahead + 1, interval).map((at) => ({ table, at })));
}

/**
 * Times that `count` intervals, beginning with the one that holds `from`, are made for; all in epoch milliseconds. Of a
 * month its first and its last day: partitions of days may hold one of them and leave the rest.
 */
function intervalsFrom(from: number, count: number, interval: PartitionInterval): number[] {
  const start = dayOf(from);
  if (interval === 'day') {
    return Array.from({ length: count }, (_, step) => start + step * DAY_MS);
  }
  const [year, month] = [new Date(start).getUTCFullYear(), new Date(start).getUTCMonth()];
  return Array.from({ length: count }, (_, step) => [
    Math.max(start, Date.UTC(year, month + step, 1)),
    Date.UTC(year, month + step + 1, 0),
  ]).flat();
}

/** Those of the wanted that no partition holds, in the same order. @throws WriteError */
export async function missingPartitions(
  connection: CommonQueryMethods,
  wanted: readonly MissingPartition[],
): Promise<MissingPartition[]> {
  const missing = await guarded(() =>
    connection.anyFirst(sql.type(z.object({ ord: z.number() }))`
      WITH existing AS MATERIALIZED (
        SELECT parent, lower_bound, upper_bound FROM analytics.crm_partitions WHERE NOT is_default
      )
      SELECT w.ord
      FROM unnest(${texts(wanted.map(({ table }) => table))}, ${instants(wanted.map(({ at }) => at))})
        WITH ORDINALITY AS w(parent, at, ord)
      WHERE NOT EXISTS (
        SELECT 1 FROM existing e WHERE e.parent = w.parent AND e.lower_bound <= w.at AND w.at < e.upper_bound
      )
    `),
  );
  return wanted.filter((_, index) => missing.includes(index + 1));
}

/**
 * Makes partitions that nobody waits for.
 * @returns how many were made: somebody else may have been first
 * @throws WriteError also when somebody reads a whole table: those that were made stay
 */
export async function makePartitions(
  connection: CommonQueryMethods,
  wanted: readonly MissingPartition[],
  interval: PartitionInterval,
): Promise<number> {
  let made = 0;
  for (const { table, at } of wanted) {
    made += (await ensurePartition(connection, table, at, interval, LOCK_MS.ahead)) ? 1 : 0;
  }
  return made;
}
