/** Follows the chain of the audit log from its first entry to its head, in pages. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { entriesAfter } from '../../adapters/postgres/audit-log.ts';
import { readHead } from '../../adapters/postgres/audit-trail-rows.ts';
import { type ChainExpectations, createChainCheck } from './verify-chain.ts';

const PAGE = 5_000;

export interface TrailVerdict {
  /** What is wrong, and where first; null when all is as it was written. */
  broken: string | null;
  /** For people: what was looked at, and what can't be told. */
  notes: string[];
}

export interface TrailChecks extends ChainExpectations {
  /** Told after each page how many entries were looked at, and about how many there are. */
  progress(done: number, of: number): void;
}

/**
 * Entries that are added meanwhile are left for the next time.
 * @throws WriteError when PostgreSQL can't be asked
 */
export async function verifyTrail(connection: CommonQueryMethods, checks: TrailChecks): Promise<TrailVerdict> {
  const head = await readHead(connection, { lock: false });
  const check = createChainCheck(checks);
  let first: number | null = null;
  for (let from = 0; from <= head.sequence; ) {
    const page = await entriesAfter(connection, from, PAGE);
    const last = page.at(-1);
    if (last === undefined) break;
    first ??= page[0]?.sequence ?? null;
    for (const entry of page) {
      if (entry.sequence > head.sequence) break;
      const broken = check.next(entry);
      if (broken !== null) return { broken, notes: check.notes() };
    }
    checks.progress(Math.min(last.sequence, head.sequence) - (first ?? 0) + 1, head.sequence - (first ?? 0) + 1);
    // A page that ends within entries of one number is not read on from there but from the number after: there can be
    // two of a number only where somebody added one, which the check has met by then.
    from = last.sequence + 1;
  }
  return { broken: check.end(head) ?? (await beyondHead(connection)), notes: check.notes() };
}

/** What lies beyond the head was not added by the product: it moves the head in the same statement. */
async function beyondHead(connection: CommonQueryMethods): Promise<string | null> {
  const newest = await connection.oneFirst(sql.type(z.object({ newest: z.number() }))`
    SELECT COALESCE(max(sequence), 0) AS newest FROM analytics.crm_audit_log
  `);
  const head = await readHead(connection, { lock: false });
  return newest > head.sequence
    ? `entry ${head.sequence + 1} or a later one was added behind the end of the log, which is entry ${head.sequence}`
    : null;
}
