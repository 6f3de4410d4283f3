/**
 * Writes the audit log. All processes add to one chain: entries that come in while a statement is under way go together
 * with the next one, which moves the head by compare-and-set, so that no lock is held while a process thinks.
 */
import { type CommonQueryMethods, type DatabasePool, sql } from 'slonik';
import { WriteError } from '../../activities/ports.ts';
import type { AuditTrail, TrailObserver } from '../../activities/trail-ports.ts';
import { chainAfter, type Link, type TrailDigest, type TrailEntry } from '../../domain/audit-trail.ts';
import { INSTALLATION, withinScope } from '../../platform/scope.ts';
import { type Head, insertAfter, readHead } from './audit-trail-rows.ts';
import { guarded } from './errors.ts';

/** Most entries of one statement. */
const MOST = 200;

/** serialization_failure: nobody moves a head that is locked, but for a defect or a superuser. */
const HEAD_MOVED = '40001';

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

type Place = Link & { at: number };

function createWriter({ digest, observer }: AuditTrailOptions) {
  /** Where the log ended when this process wrote or looked last; null before, and after trouble. */
  let last: Place | null = null;
  let seen: Link | null = null;
  /** Whether others wrote in between the last time: to lock the head is then quicker than to find it moved. */
  let contended = false;
  /** What PostgreSQL's clock is ahead of ours, in milliseconds: times of all processes are by the same clock. */
  let ahead = 0;
  const months = new Set<string>();

  async function look(connection: CommonQueryMethods, lock: boolean): Promise<Head> {
    const head = await readHead(connection, { lock });
    ahead = head.now - Date.now();
    const isBefore = (place: Link) =>
      head.sequence < place.sequence || (head.sequence === place.sequence && head.hash !== place.hash);
    if (seen !== null && isBefore(seen)) observer.cutBack(seen, head);
    seen = head;
    return head;
  }

  /** @returns where the log ends now; null when it did not end at `after` any more */
  async function add(
    connection: CommonQueryMethods,
    after: Place,
    entries: readonly TrailEntry[],
  ): Promise<Place | null> {
    // Never before the entry before it, or a month could not leave as a whole.
    const at = Math.max(after.at, Date.now() + Math.round(ahead));
    const time = new Date(at).toISOString();
    const chained = chainAfter(after, entries, time, digest);
    const month = time.slice(0, 7);
    if (!months.has(month)) {
      await connection.query(sql.unsafe`SELECT analytics.crm_audit_log_ensure(${time}::timestamptz)`);
      months.add(month);
    }
    const { sequence, hash } = chained.at(-1) ?? after;
    return (await insertAfter(connection, after, chained)) ? { sequence, hash, at } : null;
  }

  /** Nobody else can be first while the head is locked. */
  function addLocked(pool: DatabasePool, known: Place | null, entries: readonly TrailEntry[]): Promise<Place | null> {
    return pool.transaction(async (transaction) => {
      const head = await look(transaction, true);
      contended = head.sequence !== known?.sequence;
      return add(transaction, head, entries);
    });
  }

  return async (pool: DatabasePool, entries: readonly TrailEntry[]): Promise<void> => {
    const known = last;
    // After an error nobody knows where the log ends.
    last = null;
    const added = contended ? null : await add(pool, known ?? (await look(pool, false)), entries);
    last = added ?? (await addLocked(pool, known, entries));
    if (last === null) throw new WriteError(HEAD_MOVED);
    seen = last;
    observer.stands(last);
  };
}
