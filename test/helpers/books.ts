import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';

/** Rows of the events log by their status. */
export async function statusesIn(pool: CommonQueryMethods): Promise<Record<string, number>> {
  const rows = await pool.any(
    sql.type(z.object({ status: z.string(), count: z.number() }))`
      SELECT processing_status AS status, count(*) FROM analytics.crm_events_log GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

/** Gaps and overlaps in the chains, which must have none; asked apart from how the product asks. */
export function brokenBooksIn(pool: CommonQueryMethods): Promise<readonly unknown[]> {
  return pool.any(sql.unsafe`
    WITH steps AS (
      SELECT position_id, kind, from_offset, next_offset,
        lag(next_offset) OVER (PARTITION BY position_id ORDER BY epoch, from_offset) AS previous
      FROM analytics.crm_batches
    )
    SELECT * FROM steps WHERE previous IS NOT NULL AND previous <> from_offset
  `);
}
