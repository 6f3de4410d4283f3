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
 * What became of all deliveries of a scope since its first start, from the chain of batches.
 * @throws WriteError when PostgreSQL can't be reached
 */
export function chainTotals(connection: CommonQueryMethods, scope: string): Promise<Totals> {
  return guarded(() =>
    connection.one(sql.type(totalsRow)`
      SELECT COALESCE(sum(b.stored), 0)::bigint AS processed, COALESCE(sum(b.skipped), 0)::bigint AS skipped,
        COALESCE(sum(b.conflicts), 0)::bigint AS conflicts, COALESCE(sum(b.filtered), 0)::bigint AS filtered,
        COALESCE(sum(b.failed), 0)::bigint AS failed, COALESCE(sum(b.dead), 0)::bigint AS dead
      FROM analytics.crm_batches b
      JOIN analytics.crm_positions p ON p.position_id = b.position_id
      WHERE p.scope = ${scope} COLLATE "C"
    `),
  );
}
