// What the chain of batches tells of a run: exact counts, and when each batch was committed.
import type pg from 'pg';

export interface Books {
  stored: number;
  skipped: number;
  /** Records of all batches but the first. */
  events: number;
  /** From the first commit to the last. */
  seconds: number;
}

const BATCHES_OF_SCOPE = `
  FROM analytics.crm_batches b
  JOIN analytics.crm_positions p USING (position_id)
  WHERE p.scope = $1 AND b.kind = 'batch'`;

/** Records written so far under a scope, which is a consumer group. */
export async function recordsOf(database: pg.Client, scope: string): Promise<number> {
  const text = `SELECT sum(b.records) AS records ${BATCHES_OF_SCOPE}`;
  const { rows } = await database.query<{ records: string | null }>(text, [scope]);
  return Number(rows[0]?.records ?? 0);
}

/**
 * The books of a scope when all is written. A batch is one transaction, with a row for each partition that it moved.
 * @throws Error for fewer than two batches
 */
export async function readBooks(database: pg.Client, scope: string): Promise<Books> {
  const { rows } = await database.query<Record<'records' | 'stored' | 'skipped' | 'committed', string>>(
    `SELECT sum(b.records) AS records, sum(b.stored) AS stored, sum(b.skipped) AS skipped,
       extract(epoch FROM max(b.committed_at)) AS committed ${BATCHES_OF_SCOPE}
     GROUP BY b.xmin::text ORDER BY committed`,
    [scope],
  );
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined || first === last) {
    throw new Error(`${scope}: fewer than two batches tell no rate, ask for more --events`);
  }
  const sum = (column: 'records' | 'stored' | 'skipped') => rows.reduce((total, row) => total + Number(row[column]), 0);
  return {
    stored: sum('stored'),
    skipped: sum('skipped'),
    events: sum('records') - Number(first.records),
    seconds: Number(last.committed) - Number(first.committed),
  };
}
