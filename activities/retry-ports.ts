/** The jobs of the retry queue as the rest of the product sees them. They carry keys and coordinates, never a payload. */
import type { FailureCode } from '../domain/failures.ts';
import type { DueRetry, Settled } from './failed-ports.ts';
import type { TopicPartition } from './ports.ts';

/** One place in the log. */
export interface Coordinates extends TopicPartition {
  offset: number;
}

/** Why there is no record at some coordinates: each with its own answer. */
export type CoordinatesProblem = 'unknown-topic' | 'unknown-partition' | 'offset-not-written' | 'offset-deleted';

/** What became of a message that was asked for by its coordinates. `detail` is safe to show. */
export type EnqueueOutcome =
  | { outcome: 'processed' | 'filtered' | 'tombstone' }
  /** `settled`: it had failed, and was settled since. */
  | { outcome: 'skipped'; reason: Settled['reason'] | 'settled' }
  | { outcome: 'failed' | 'dead'; code: FailureCode | null; detail: string }
  | { outcome: 'nothing-there'; detail: string };

/**
 * Whose messages a job may ingest: hashes of organizations' ids, which may be addresses and don't belong into Redis.
 * null for everybody's.
 */
export type JobBinding = readonly string[] | null;

/** A job of the queue, with times in epoch milliseconds. */
export interface JobReport {
  jobId: string;
  kind: 'retry' | 'enqueue';
  binding: JobBinding;
  /** `failed`: given up after errors that no server is to blame for. */
  state: 'waiting' | 'delayed' | 'active' | 'completed' | 'failed';
  /** null until it is completed; a retry tells PostgreSQL alone. */
  outcome: EnqueueOutcome | null;
  /** Why its last attempt did not get through. */
  error: string | null;
  /** How often it was begun. */
  attempts: number;
  createdAt: number;
  /** When it is to run first. */
  runsAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}

/** Redis can't be reached. */
export class QueueUnavailableError extends Error {
  override readonly name = 'QueueUnavailableError';
}

/** Jobs as the API makes and shows them. */
export interface RetryJobs {
  /** @throws QueueUnavailableError: there is no job then */
  enqueue(at: Coordinates, delayMs: number, binding: JobBinding): Promise<{ jobId: string; runsAt: number }>;
  /** null when there is none (any more). @throws QueueUnavailableError */
  job(jobId: string): Promise<JobReport | null>;
}

/** Puts due retries into the queue; those that are in it already stay as they are. */
export interface DueRetries {
  /** @throws QueueUnavailableError */
  addDue(retries: readonly DueRetry[]): Promise<void>;
}
