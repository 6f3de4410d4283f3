/** Erasures as PostgreSQL keeps them, and what it takes to carry one out. */
import type { ErasureAction, ErasurePlace, ErasureRecord, ErasureReport, ErasureSubject } from '../domain/erasure.ts';
import type { SuppressedIdentifier } from './suppression.ts';

export interface ErasureRequest {
  subject: ErasureSubject;
  action: ErasureAction;
  /** Why; without personal data. */
  reason: string;
}

export interface ErasureSummary {
  erasureId: string;
  subjectKind: ErasureSubject['kind'];
  action: ErasureAction;
  reason: string;
  status: 'running' | 'finished' | 'failed';
  /** Why it failed, null otherwise. */
  failure: string | null;
  requestedBy: string;
  /** ISO 8601, UTC. */
  requestedAt: string;
  finishedAt: string | null;
}

export interface Erasure extends ErasureSummary {
  /** null until it is finished. */
  report: ErasureReport | null;
  /** As that of an audit. */
  signature: string | null;
}

/** What the API does with erasures. Every method @throws WriteError when PostgreSQL can't be reached. */
export interface ErasureRequests {
  create(request: ErasureRequest & { erasureId: string; requestedBy: string }): Promise<void>;
  /** Gives up one that could not begin, and forgets whom it was about. */
  fail(erasureId: string, failure: string): Promise<void>;
  /** The latest first. */
  list(limit: number): Promise<ErasureSummary[]>;
  find(erasureId: string): Promise<Erasure | null>;
  /** Whether a legal hold keeps the rows of an organization. */
  isHeld(organizationId: string): Promise<boolean>;
}

/** An erasure at work, with whom it is about in the clear. */
export interface RunningErasure {
  erasureId: string;
  subject: ErasureSubject;
  action: ErasureAction;
  requestedBy: string;
  requestedAt: string;
  /** Whether PostgreSQL compares addresses with letters beyond ASCII as the suppression list does. */
  foldsUnicode: boolean;
}

/** A table that holds rows of leads, contacts or opportunities, whatever it is a part of. */
export interface ErasureTable {
  /** PostgreSQL's own number of it, which outlives renaming. */
  oid: number;
  schema: string;
  name: string;
  /** `overwritten`: rows of all entities as JSON. */
  holds: 'lead' | 'contact' | 'opportunity' | 'overwritten';
  blocks: number;
}

/** Blocks of a table: `to` is exclusive. */
export interface BlockWindow {
  from: number;
  to: number;
}

/** A failed event that still has its message. */
export interface KeptMessage {
  failedId: number;
  /** Of Kafka, or the name of a file's source: tells how the value is read. */
  topic: string;
  organizationId: string | null;
  value: Buffer | null;
  /** Everything else that came with it or was put beside it, as text: key, headers, correction. */
  beside: string;
  correction: unknown;
  /** Whether any of it is sealed with a key that is not there, and missing here. */
  sealed: boolean;
}

/** What the workflow does with PostgreSQL. Every method @throws WriteError when it can't be reached. */
export interface ErasureStore {
  /** null when there is none of the id, or it has ended. */
  running(erasureId: string): Promise<RunningErasure | null>;
  /** Those that run and were asked for at least `forMs` milliseconds ago, the oldest first. */
  unfinished(forMs: number, limit: number): Promise<string[]>;
  /**
   * Puts identifiers on the suppression list and keeps the records that they are of, in one transaction that waits for
   * everybody who writes by the list as it was. What is there already stays.
   * @returns the version that the list has now
   */
  suppress(
    erasureId: string,
    identifiers: readonly SuppressedIdentifier[],
    records: ReadonlyArray<ErasureRecord & { token: string }>,
  ): Promise<number>;
  records(erasureId: string): Promise<ErasureRecord[]>;
  /** Those with a number of at least `oid`, in the order of their numbers. */
  tables(oid: number): Promise<ErasureTable[]>;
  /** Records with the address of the subject that no legal hold keeps. */
  findRecords(erasure: RunningErasure, table: ErasureTable, window: BlockWindow): Promise<ErasureRecord[]>;
  /** Deletes or pseudonymizes rows and cuts links, but for what a legal hold keeps; counted in the same transaction. */
  eraseRows(erasure: RunningErasure, table: ErasureTable, window: BlockWindow): Promise<void>;
  countRows(erasure: RunningErasure, table: ErasureTable, window: BlockWindow): Promise<{ left: number; held: number }>;
  /** Failed events after an id that still have something of their message, in the order of the ids. */
  messages(after: number, limit: number): Promise<KeptMessage[]>;
  heldOrganizations(): Promise<ReadonlySet<string>>;
  /** Gives failed events up and removes their messages; one that somebody has at the moment stays as it is. */
  emptyFailed(erasure: RunningErasure, failedIds: readonly number[]): Promise<void>;
  /** Takes the subject out of requests to redrive or replay that have ended. */
  redactRequests(erasure: RunningErasure): Promise<void>;
  /** How many that have not ended name the subject. */
  requestsInUse(erasure: RunningErasure): Promise<number>;
  /** What was done so far. */
  counts(erasureId: string): Promise<ErasurePlace[]>;
  suppressed(erasureId: string): Promise<{ version: number; hashes: string[]; records: number }>;
  /** Keeps the report and forgets whom it was about. @returns false when it has ended already */
  finish(erasureId: string, report: ErasureReport, signature: string | null): Promise<boolean>;
  fail(erasureId: string, failure: string): Promise<void>;
  find(erasureId: string): Promise<Erasure | null>;
}
