/** Failed events as a person looks at them, mends them and gives them up. Implemented by adapters/postgres. */
import type { FailedFilter, FailedStatus } from '../domain/failed-filter.ts';
import type { FailureClass } from '../domain/failure-class.ts';
import type { Rejection } from '../domain/failures.ts';
import type { TopicPartition } from './ports.ts';

/** The filter of those who only look: also what is settled, and by class of error. */
export interface DeadLetterSearch extends FailedFilter<FailedStatus> {
  class?: FailureClass | undefined;
}

/** A failed event without anything out of its payload but its ids. Times are ISO 8601. */
export interface DeadLetter extends TopicPartition {
  failedId: number;
  status: FailedStatus;
  offset: number;
  errorCode: string;
  errorDetail: string;
  field: string | null;
  sqlstate: string | null;
  fingerprint: string;
  eventId: string | null;
  eventType: string | null;
  organizationId: string | null;
  schemaId: number | null;
  attempts: number;
  redrives: number;
  nextAttemptAt: string | null;
  settledAs: string | null;
  createdAt: string;
  updatedAt: string;
}

/** Everything there is of one. */
export interface WholeDeadLetter extends DeadLetter {
  /** Changes with whatever is done to the event. */
  version: string;
  /** Kafka's timestamp of the record in epoch milliseconds; -1 without. */
  recordTimestamp: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: ReadonlyArray<readonly [name: string, base64: string | null]>;
  /** How the attempts before the current error ended, oldest first. */
  errors: ReadonlyArray<{ at: string; code: string; detail: string }>;
  correction: unknown;
  correctedBy: string | null;
  correctedAt: string | null;
  discardReason: string | null;
  discardedBy: string | null;
  settledAt: string | null;
  /** Why what is sealed of it can't be opened here, null where all can; that then is null. */
  unreadable: Rejection | null;
}

/** Events that fail for the same reason. */
export interface DeadLetterGroup {
  fingerprint: string;
  count: number;
  schemaId: number | null;
  errorCode: string;
  sqlstate: string | null;
  field: string | null;
  topics: string[];
  firstSeen: string;
  lastSeen: string;
  /** The newest of them. */
  exampleId: number;
}

export interface DeadLetterSummary {
  statuses: Array<{ status: FailedStatus; count: number }>;
  /** Of those that are failed or dead. */
  errorCodes: Array<{ errorCode: string; count: number }>;
  /** Of those that are failed or dead, those with most; null for events that don't say whose they are. */
  organizations: Array<{ organizationId: string | null; count: number }>;
}

/** A change of one event: whether it was made, and else why not. */
export type Change = 'done' | 'unknown' | 'settled' | 'changed';

/** Every method @throws WriteError when PostgreSQL can't be reached. */
export interface DeadLetters {
  /** The newest first. @param before only those with a smaller id, null to begin with */
  list(search: DeadLetterSearch, page: { before: number | null; limit: number }): Promise<DeadLetter[]>;
  /** As `list`, with their bytes. */
  listWhole(search: DeadLetterSearch, page: { before: number | null; limit: number }): Promise<WholeDeadLetter[]>;
  get(failedId: number): Promise<WholeDeadLetter | null>;
  /** The largest groups first; without a status those of failed and dead events. */
  groups(search: DeadLetterSearch, limit: number): Promise<DeadLetterGroup[]>;
  /** @param organizations how many of them at most */
  summary(organizations: number): Promise<DeadLetterSummary>;
  /**
   * Keeps a correction beside the message, or with null takes it away.
   * @param version what the caller saw, null for whatever there is
   */
  correct(failedId: number, correction: { event: unknown; by: string } | null, version: string | null): Promise<Change>;
  /** Gives an event up for good, in the log and the books as well. */
  discard(failedId: number, reason: string, by: string): Promise<Change>;
}
