/** Both sides of the books as of one moment: several questions in one snapshot, none of which holds a writer up. */

import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { BooksCheck, CausedMove, PartitionBooks } from '../../activities/books-ports.ts';
import {
  breakBetween,
  type ChainSums,
  type Identity,
  identitiesOf,
  type LocatedBreak,
  ledgerIdentity,
  NO_SUMS,
  type TableCounts,
} from '../../domain/books.ts';
import { addCounts } from '../../domain/counts.ts';
import { CHAIN_SUMS, chainSumsRow } from './chain-sums.ts';
import { guarded } from './errors.ts';

/** More than anybody reads; so many breaks mean that the chain as a whole is wrong. */
const MAX_BREAKS = 1_000;

/**
 * Runs queries that all see the database as it was at the first of them.
 * @param tables whose partitions nobody may take away meanwhile: a snapshot would not show them any more
 */
export function inSnapshot<T>(
  connection: CommonQueryMethods,
  ask: (snapshot: CommonQueryMethods) => Promise<T>,
  tables: readonly string[] = [],
): Promise<T> {
  return guarded(() =>
    connection.transaction(async (snapshot) => {
      await snapshot.query(sql.unsafe`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY`);
      for (const table of tables) {
        await snapshot.query(sql.unsafe`LOCK TABLE ${sql.identifier(['analytics', table])} IN ACCESS SHARE MODE`);
      }
      return ask(snapshot);
    }),
  );
}

/** @see BooksKeeper.check */
export function checkBooks(connection: CommonQueryMethods): Promise<BooksCheck> {
  return inSnapshot(connection, async (snapshot) => {
    const { breaks, identities } = await weigh(snapshot);
    return { breaks, identities };
  });
}

/** The count of the ledger reads all of its index, which takes a while where it is large. */
const LEDGER_COUNT_TIMEOUT = '30min';

/** @see AuditStore.identities */
export function identitiesWithLedger(connection: CommonQueryMethods): Promise<Identity[]> {
  return inSnapshot(connection, async (snapshot) => {
    await snapshot.query(sql.unsafe`SELECT set_config('statement_timeout', ${LEDGER_COUNT_TIMEOUT}, true)`);
    const { sums, moves, identities } = await weigh(snapshot);
    const rows = await snapshot.oneFirst(sql.type(z.object({ rows: z.number() }))`
      SELECT (SELECT count(*) FROM analytics.crm_event_ledger)
        + (SELECT COALESCE(sum(rows), 0)::bigint FROM analytics.crm_ledger_prunes) AS rows
    `);
    return [...identities, ledgerIdentity(sums, moves, rows)];
  });
}

export async function weigh(snapshot: CommonQueryMethods) {
  const chains = await listChains(snapshot);
  const moves = await sumMoves(snapshot);
  const sums = chains.map((chain) => chain.sums).reduce(addCounts, NO_SUMS);
  return {
    chains,
    sums,
    moves,
    breaks: await findBreaks(snapshot),
    identities: identitiesOf(sums, moves, await countTables(snapshot)),
  };
}

const chainRow = z.object({
  scope: z.string(),
  source_id: z.number(),
  topic: z.string(),
  incarnation: z.number(),
  partition: z.number(),
  end_offset: z.number().nullable(),
  next_offset: z.number(),
  closed: z.boolean(),
  first_offset: z.number().nullable(),
  jumps: z.number(),
  ...chainSumsRow.shape,
});

export interface Chain extends Omit<PartitionBooks, 'breaks' | 'moves'> {
  scope: string;
  sourceId: number;
  endOffset: number | null;
  sums: ChainSums;
}

async function listChains(connection: CommonQueryMethods): Promise<Chain[]> {
  const rows = await connection.any(sql.type(chainRow)`
    WITH chain AS (
      SELECT b.position_id, min(b.from_offset) FILTER (WHERE b.kind = 'batch') AS first_offset,
        count(*) FILTER (WHERE b.kind <> 'batch') AS jumps, ${CHAIN_SUMS}
      FROM analytics.crm_batches b
      GROUP BY b.position_id
    )
    SELECT p.scope, p.source_id, s.topic, s.incarnation, p.partition, p.end_offset, p.next_offset, p.closed,
      c.first_offset, COALESCE(c.jumps, 0) AS jumps, COALESCE(c.records, 0) AS records, COALESCE(c.stored, 0) AS stored,
      COALESCE(c.skipped, 0) AS skipped, COALESCE(c.conflicts, 0) AS conflicts, COALESCE(c.filtered, 0) AS filtered,
      COALESCE(c.failed, 0) AS failed, COALESCE(c.dead, 0) AS dead, COALESCE(c.tombstones, 0) AS tombstones,
      COALESCE(c.parked, 0) AS parked, COALESCE(c.absent, 0) AS absent, COALESCE(c.batches, 0) AS batches,
      COALESCE(c.changed, 0) AS changed
    FROM analytics.crm_positions p
    JOIN analytics.crm_sources s ON s.source_id = p.source_id
    LEFT JOIN chain c ON c.position_id = p.position_id
    ORDER BY s.topic, s.incarnation, p.partition
  `);
  return rows.map((row) => ({
    scope: row.scope,
    sourceId: row.source_id,
    topic: row.topic,
    incarnation: row.incarnation,
    partition: row.partition,
    endOffset: row.end_offset,
    closed: row.closed,
    from: row.first_offset,
    next: row.next_offset,
    jumps: row.jumps,
    sums: chainSumsOnly.parse(row),
  }));
}

const chainSumsOnly = chainSumsRow.strip();

/** A position's rows in order, each with where the one before it ended; the position itself is the last. */
async function findBreaks(connection: CommonQueryMethods): Promise<LocatedBreak[]> {
  const rows = await connection.any(sql.type(
    z.object({
      scope: z.string(),
      topic: z.string(),
      incarnation: z.number(),
      partition: z.number(),
      ended: z.number(),
      begins: z.number(),
    }),
  )`
    WITH step AS (
      SELECT position_id, from_offset AS begins, next_offset AS ends,
        lag(next_offset) OVER chain AS ended, lead(epoch) OVER chain IS NULL AS is_last
      FROM analytics.crm_batches
      WINDOW chain AS (PARTITION BY position_id ORDER BY epoch, from_offset)
    ),
    joint AS (
      SELECT position_id, ended, begins FROM step WHERE ended <> begins
      UNION ALL
      SELECT p.position_id, p.first_offset, step.begins
      FROM step
      JOIN analytics.crm_positions p ON p.position_id = step.position_id
      WHERE step.ended IS NULL AND step.begins <> p.first_offset
      UNION ALL
      SELECT p.position_id, step.ends, p.next_offset
      FROM step
      JOIN analytics.crm_positions p ON p.position_id = step.position_id
      WHERE step.is_last AND step.ends <> p.next_offset
      UNION ALL
      SELECT p.position_id, p.first_offset, p.next_offset
      FROM analytics.crm_positions p
      WHERE p.next_offset <> p.first_offset
        AND NOT EXISTS (SELECT 1 FROM analytics.crm_batches b WHERE b.position_id = p.position_id)
    )
    SELECT p.scope, s.topic, s.incarnation, p.partition, j.ended, j.begins
    FROM joint j
    JOIN analytics.crm_positions p ON p.position_id = j.position_id
    JOIN analytics.crm_sources s ON s.source_id = p.source_id
    ORDER BY s.topic, s.incarnation, p.partition, j.ended
    LIMIT ${MAX_BREAKS}
  `);
  return rows.flatMap(({ ended, begins, ...where }) => {
    const found = breakBetween(ended, begins);
    return found === null ? [] : [{ ...where, ...found }];
  });
}

export interface SourceMove extends CausedMove {
  sourceId: number;
  partition: number;
}

async function sumMoves(connection: CommonQueryMethods): Promise<SourceMove[]> {
  const rows = await connection.any(sql.type(
    z.object({
      sourceId: z.number(),
      partition: z.number(),
      cause: z.enum(['retry', 'redrive', 'enqueue', 'reread', 'discard']),
      from: z.enum(['unread', 'failed', 'dead', 'discarded']),
      to: z.enum(['processed', 'skipped', 'filtered', 'failed', 'dead', 'discarded']),
      events: z.number(),
    }),
  )`
    SELECT source_id AS "sourceId", partition, cause, from_status AS "from", to_status AS "to",
      sum(events)::bigint AS events
    FROM analytics.crm_moves
    GROUP BY source_id, partition, cause, from_status, to_status
    ORDER BY source_id, partition, cause, from_status, to_status
  `);
  return [...rows];
}

/** Counts of one status each, which the index on it answers. */
async function countTables(connection: CommonQueryMethods): Promise<TableCounts> {
  return connection.one(sql.type(
    z.object({ failed: z.number(), dead: z.number(), discarded: z.number(), parked: z.number() }),
  )`
    SELECT
      (SELECT count(*) FROM analytics.crm_failed_events WHERE status = 'failed') AS failed,
      (SELECT count(*) FROM analytics.crm_failed_events WHERE status = 'dead') AS dead,
      (SELECT count(*) FROM analytics.crm_failed_events WHERE status = 'discarded') AS discarded,
      (SELECT COALESCE(sum(records), 0)::bigint FROM analytics.crm_parked_ranges) AS parked
  `);
}
