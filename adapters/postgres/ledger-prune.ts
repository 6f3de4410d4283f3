/**
 * Has the ledger forget ids that were first seen long ago. Its hash partitions can't be dropped by age, so each is walked
 * through block by block; what goes is booked in the same statement, so that the books still balance.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { MaintenanceSession } from './maintenance-session.ts';

/** 8 MiB: some 60,000 ids. */
const BLOCKS = 1_024;
/** Between two pieces that had ids to forget, in milliseconds. */
const PAUSE_MS = 200;

/** @see MaintenanceWork.pruneLedger */
export async function pruneLedger(session: MaintenanceSession, keepDays: number): Promise<void> {
  const cutoff = await session.connection.oneFirst(sql.type(z.object({ cutoff: z.string() }))`
    SELECT (date_trunc('day', now(), 'UTC') - ${keepDays} * interval '1 day')::text AS cutoff
  `);
  for (const { partition, blocks } of await ledgerPartitions(session.connection)) {
    let forgotten = 0;
    for (let from = 0; from < blocks && !session.signal.aborted; from += BLOCKS) {
      const [piece] = await session.change(forgetting(partition, from, cutoff));
      if (piece !== undefined && piece.gone > 0) {
        forgotten += piece.gone;
        session.count('ids', piece.gone);
        await sleep(PAUSE_MS, undefined, { signal: session.signal }).catch(() => undefined);
      }
    }
    if (forgotten > 0) {
      await session.change(sql.unsafe`SELECT analytics.crm_analyze_partition(${partition})`);
    }
  }
}

/** An erased person's ids are kept, so that no file that is read again brings them back. */
function forgetting(partition: string, from: number, cutoff: string) {
  return sql.type(z.object({ gone: z.number() }))`
    WITH gone AS (
      DELETE FROM ${sql.identifier(['analytics', partition])}
      WHERE ctid >= ${`(${from},0)`}::tid AND ctid < ${`(${from + BLOCKS},0)`}::tid
        AND first_seen < ${cutoff} AND erased_by IS NULL
      RETURNING source_id
    ),
    booked AS (
      INSERT INTO analytics.crm_ledger_prunes (source_id, rows, first_seen_before)
      SELECT source_id, count(*), ${cutoff} FROM gone GROUP BY source_id
    )
    SELECT count(*) AS gone FROM gone
  `;
}

function ledgerPartitions(connection: CommonQueryMethods) {
  return connection.any(sql.type(z.object({ partition: z.string(), blocks: z.number() }))`
    SELECT c.relname::text AS partition, pg_relation_size(c.oid) / current_setting('block_size')::bigint AS blocks
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'analytics.crm_event_ledger'::regclass
    ORDER BY c.relname
  `);
}

/** @see MaintenanceWork.ledgerTopics */
export async function ledgerTopics(connection: CommonQueryMethods): Promise<string[]> {
  const topics = await connection.anyFirst(sql.type(z.object({ topic: z.string() }))`
    SELECT DISTINCT topic FROM analytics.crm_sources ORDER BY topic
  `);
  return [...topics];
}
