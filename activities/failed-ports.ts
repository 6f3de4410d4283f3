/**
 * Failed events after their failure: how they are taken up again, and what then becomes of them. Like ports.ts, nothing
 * here names a client library.
 */
import type { EventJson } from '../domain/event-json.ts';
import type { Rejection } from '../domain/failures.ts';
import type { Delivery, LogRecord, TopicPartition } from './ports.ts';

/** Where a record came from, also when its topic was made again since. */
export interface SourceRef extends TopicPartition {
  sourceId: number;
  /** Grows when a topic is deleted and made again under the same name. */
  incarnation: number;
}

/** A failed event that is tried again. */
export interface FailedEvent {
  failedId: number;
  status: 'failed' | 'dead';
  source: SourceRef;
  /** As it came, byte for byte. */
  record: LogRecord;
  /** Where its row in the events log is, in epoch milliseconds. */
  loggedAt: number;
  /** Retries and redrives so far. */
  attempts: number;
  /** Redrives in a row that failed. */
  redrives: number;
  /** The event as a person corrected it, null without: then it is taken instead of the record. */
  correction: unknown;
  /** When it was corrected, in epoch microseconds: an event that is corrected meanwhile is not claimed. */
  correctedAt: number | null;
  /** Why what is sealed of it can't be opened here; that then is null. */
  unreadable?: Rejection;
}

/** When an event is tried again if it fails; a dead letter never is by itself. */
export type Verdict = { status: 'failed'; nextAttemptAt: number } | { status: 'dead'; nextAttemptAt: null };

/** A delivery that is written by itself, without moving a position. */
export interface SettledDelivery {
  /** null for a record that was fetched by its coordinates and has not failed before. */
  failed: Pick<FailedEvent, 'failedId' | 'loggedAt' | 'correctedAt'> | null;
  source: SourceRef;
  outcome: SettledOutcome;
  /** What it becomes if it is rejected, or if PostgreSQL refuses it. */
  verdict: Verdict;
  /** The event as a rule mended it, to be kept beside its message if that helped. */
  mended?: { event: EventJson; by: string } | undefined;
}

/** `slice` is of no meaning here. */
export type SettledOutcome = Exclude<Delivery, { kind: 'tombstone' | 'parked' }>;

export interface Settlement {
  /** The ingestion_id of the rows it writes. */
  runId: string;
  cause: 'retry' | 'redrive' | 'enqueue';
  /** Version of the suppression list that the deliveries were judged by. */
  suppression: number;
  /** With cause `redrive`: its counts are kept in the same transaction, and an event that it tried already is left out. */
  redriveId: string | null;
  deliveries: SettledDelivery[];
}

export interface Settled {
  status: 'processed' | 'skipped' | 'filtered' | 'failed' | 'dead';
  /** Why it was skipped. */
  reason: 'duplicate' | 'conflict' | 'reread' | null;
}

export interface SettleResult {
  /** One for each delivery; null where somebody else had the event or it was settled meanwhile. */
  outcomes: Array<Settled | null>;
  retries: DueRetry[];
}

/** A retry that is due at a time. */
export interface DueRetry {
  failedId: number;
  attempts: number;
  /** Epoch milliseconds. */
  dueAt: number;
}

export interface FailedEvents {
  /**
   * Those of the ids that are still failed or dead, in the order of the ids.
   * @throws WriteError when PostgreSQL can't be reached
   */
  take(failedIds: readonly number[]): Promise<FailedEvent[]>;
  /** The failed event at these coordinates, settled or not; null when there never was one. @throws WriteError */
  at(
    coordinates: TopicPartition & { offset: number },
  ): Promise<{ failedId: number; settled: boolean; organizationId: string | null } | null>;
  /**
   * Due retries, oldest first.
   * @param due those due at this time, in epoch milliseconds
   * @throws WriteError
   */
  due(due: number, limit: number): Promise<DueRetry[]>;
}

/** A topic under its name until it is deleted and made again. */
export interface Source extends Pick<SourceRef, 'sourceId' | 'incarnation'> {
  /** As the cluster named it when the source was first seen; null before Kafka 2.8. */
  topicId: string | null;
}

export interface Sources {
  /**
   * The newest incarnation of a topic; one that nobody has read yet is made known.
   * @param topicId the cluster's id of the topic, null before Kafka 2.8
   * @throws WriteError when PostgreSQL can't be reached
   */
  newest(topic: string, topicId: string | null): Promise<Source>;
}

/** The delivery became a failed event meanwhile: it must be taken up as one. Safe to try again. */
export class FailedMeanwhileError extends Error {
  override readonly name = 'FailedMeanwhileError';
  constructor() {
    super('the message failed meanwhile for somebody else');
  }
}

export interface Settler {
  /**
   * Writes deliveries exactly once in one transaction: claims their failed events, stages what is sound, and moves
   * statuses in the failed events, the log and the books. Safe to send again: what was settled is not claimed again.
   * @throws StaleSuppressionError when the suppression list has changed since: nothing was written
   * @throws WriteError when PostgreSQL refused or could not be reached
   */
  settle(settlement: Settlement): Promise<SettleResult>;
}

/** Makes sure that a retry happens at its time. What is lost here the sweep finds again. */
export interface RetryScheduler {
  /** Never throws and is not waited for. */
  schedule(retries: readonly DueRetry[]): void;
}
