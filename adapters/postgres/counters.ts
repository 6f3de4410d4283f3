import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { guarded } from './errors.ts';

const totalsRow = z.object({
  processed: z.number(),
  skipped: z.number(),
  conflicts: z.number(),
  filtered: z.number(),
  failed: z.number(),
  dead: z.number(),
});

export type Totals = z.infer<typeof totalsRow>;

/**
 * What became of all deliveries of a scope since its first start: as its chain counted them, with the chains of ranges
 * that were read apart, and with what moved on afterwards by retries and redrives. Replays and backfills read again what
 * was delivered before: of them only what they stored or what failed counts.
 * @throws WriteError when PostgreSQL can't be reached
 */
export function chainTotals(connection: CommonQueryMethods, scope: string): Promise<Totals> {
  return guarded(() =>
    connection.one(sql.type(totalsRow)`
      WITH mine AS MATERIALIZED (
        SELECT DISTINCT source_id, partition FROM analytics.crm_positions WHERE scope = ${scope} COLLATE "C"
      ),
      chain AS (
        SELECT COALESCE(sum(b.stored), 0) AS processed, COALESCE(sum(b.skipped) FILTER (WHERE first), 0) AS skipped,
          COALESCE(sum(b.conflicts) FILTER (WHERE first), 0) AS conflicts,
          COALESCE(sum(b.filtered) FILTER (WHERE first), 0) AS filtered,
          COALESCE(sum(b.failed), 0) AS failed, COALESCE(sum(b.dead), 0) AS dead
        FROM analytics.crm_batches b
        JOIN analytics.crm_positions p ON p.position_id = b.position_id
        JOIN mine USING (source_id, partition)
        JOIN analytics.crm_runs r ON r.run_id = p.run_id
        CROSS JOIN LATERAL (SELECT r.kind NOT IN ('replay', 'backfill') AS first) reading
        -- Live reading by another consumer group has totals of its own.
        WHERE p.scope = ${scope} COLLATE "C" OR p.end_offset IS NOT NULL
      ),
      moves AS (
        SELECT COALESCE(sum(events) FILTER (WHERE to_status = 'processed'), 0) AS processed,
          COALESCE(sum(events) FILTER (WHERE to_status = 'skipped'), 0) AS skipped,
          COALESCE(sum(events) FILTER (WHERE to_status = 'filtered'), 0) AS filtered,
          COALESCE(sum(events) FILTER (WHERE to_status = 'failed'), 0)
            - COALESCE(sum(events) FILTER (WHERE from_status = 'failed'), 0) AS failed,
          COALESCE(sum(events) FILTER (WHERE to_status = 'dead'), 0)
            - COALESCE(sum(events) FILTER (WHERE from_status = 'dead'), 0) AS dead
        FROM analytics.crm_moves
        JOIN mine USING (source_id, partition)
      )
      SELECT (c.processed + m.processed)::bigint AS processed, (c.skipped + m.skipped)::bigint AS skipped,
        c.conflicts::bigint AS conflicts, (c.filtered + m.filtered)::bigint AS filtered,
        (c.failed + m.failed)::bigint AS failed, (c.dead + m.dead)::bigint AS dead
      FROM chain c, moves m
    `),
  );
}
