/**
 * Writes the audit log. All processes add to one chain: entries that come in while a statement is under way go together
 * with the next one, which moves the head by compare-and-set, so that no lock is held while a process thinks.
 */
import { type CommonQueryMethods, type DatabasePool, sql } from 'slonik';
import type { AuditTrail, TrailObserver } from '../../activities/trail-ports.ts';
import { chainAfter, type Link, type TrailDigest, type TrailEntry } from '../../domain/audit-trail.ts';
import { INSTALLATION, withinScope } from '../../platform/scope.ts';
import { type Head, insertAfter, readHead } from './audit-trail-rows.ts';
import { guarded } from './errors.ts';

/** Most entries of one statement. */
const MOST = 200;

/** Others wait for the head meanwhile, in milliseconds: a process that stands still must not keep them for long. */
const IDLE_MS = 3_000;

export interface AuditTrailOptions {
  digest: TrailDigest;
  observer: TrailObserver;
}

interface Waiting {
  entry: TrailEntry;
  resolve(): void;
  reject(error: unknown): void;
}

/** @param open gives the pool; asked for each statement */
export function createAuditTrail(open: () => Promise<DatabasePool>, options: AuditTrailOptions): AuditTrail {
  const waiting: Waiting[] = [];
  const write = createWriter(options);
  let writes = false;

  async function writeAll(): Promise<void> {
    writes = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, MOST);
      try {
        const entries = batch.map(({ entry }) => entry);
        await guarded(async () => write(await open(), entries));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    writes = false;
  }

  return {
    append: (entry) =>
      new Promise((resolve, reject) => {
        waiting.push({ entry, resolve, reject });
        // Whoever comes first writes for others as well, so not on behalf of anyone.
        if (!writes) void withinScope(INSTALLATION, writeAll);
      }),
  };
}

function createWriter({ digest, observer }: AuditTrailOptions) {
  /** Where the log ended when this process wrote or looked last; null before, and after trouble. */
  let last: (Link & { at: number }) | null = null;
  let seen: Link | null = null;
  /** What PostgreSQL's clock is ahead of ours, in milliseconds: times of all processes are by the same clock. */
  let ahead = 0;
  const months = new Set<string>();

  async function look(connection: CommonQueryMethods, lock: boolean): Promise<Head> {
    const head = await readHead(connection, { lock });
    ahead = head.now - Date.now();
    if (
      seen !== null &&
      (head.sequence < seen.sequence || (head.sequence === seen.sequence && head.hash !== seen.hash))
    ) {
      observer.cutBack(seen, head);
    }
    seen = head;
    return head;
  }

  /** @returns whether the log still ended at `after` */
  async function add(
    connection: CommonQueryMethods,
    after: Link & { at: number },
    entries: readonly TrailEntry[],
  ): Promise<boolean> {
    // Never before the entry before it, or a month could not leave as a whole.
    const at = Math.max(after.at, Date.now() + Math.round(ahead));
    const time = new Date(at).toISOString();
    const chained = chainAfter(after, entries, time, digest);
    const month = time.slice(0, 7);
    if (!months.has(month)) {
      await connection.query(sql.unsafe`SELECT analytics.crm_audit_log_ensure(${time}::timestamptz)`);
      months.add(month);
    }
    if (!(await insertAfter(connection, after, chained))) return false;
    const { sequence, hash } = chained.at(-1) ?? after;
    last = { sequence, hash, at };
    seen = last;
    observer.stands(last);
    return true;
  }

  return async (pool: DatabasePool, entries: readonly TrailEntry[]): Promise<void> => {
    const known = last;
    // After an error nobody knows where the log ends.
    last = null;
    if (await add(pool, known ?? (await look(pool, false)), entries)) return;
    // Another process was first. It can't be so again while the head is locked.
    await pool.transaction(async (transaction) => {
      await transaction.query(sql.unsafe`
        SELECT set_config('idle_in_transaction_session_timeout', ${String(IDLE_MS)}, true)
      `);
      await add(transaction, await look(transaction, true), entries);
    });
  };
}
