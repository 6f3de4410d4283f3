/** What the API needs of the audit log. */
import type { ChainedEntry, Link, TrailEntry, TrailKind, TrailOutcome } from '../domain/audit-trail.ts';

export interface AuditTrail {
  /**
   * Adds an entry to the log.
   * @returns when it is committed
   * @throws WriteError when PostgreSQL does not take it; an entry whose connection broke may be there nevertheless
   */
  append(entry: TrailEntry): Promise<void>;
}

export interface TrailObserver {
  /** The log was found to end here. */
  stands(at: Link): void;
  /** It ends before an entry that this process has written or seen: somebody removed it, or the database lost it. */
  cutBack(seen: Link, found: Link): void;
}

/** All must fit. Absent fields fit everything. */
export interface TrailSearch {
  principal?: string | undefined;
  organizationId?: string | undefined;
  route?: string | undefined;
  kind?: TrailKind | undefined;
  outcome?: TrailOutcome | undefined;
  /** UUID. */
  actionId?: string | undefined;
  requestId?: string | undefined;
  /** ISO 8601; `from` included, `to` not. */
  from?: string | undefined;
  to?: string | undefined;
  /** Of whoever looks; null for all. Entries that name another one, or none, don't fit. */
  organizations: readonly string[] | null;
}

export interface AuditLog {
  /**
   * The newest first.
   * @param page.before entries of a smaller sequence alone
   * @throws WriteError
   */
  list(search: TrailSearch, page: { before: number | null; limit: number }): Promise<ChainedEntry[]>;
}
