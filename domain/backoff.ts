/**
 * When a failed event is tried again. Exponential back-off with equal jitter, after Marc Brooker, "Exponential Backoff
 * And Jitter", AWS Architecture Blog, 2015: half of each wait is fixed, so that what the event depends on has time to
 * come, and half is chance, so that events that failed together don't return together.
 */
import { FAILURES, type FailureCode } from './failures.ts';

export interface BackoffPolicy {
  /** The longest that the first wait can be, in milliseconds; it doubles with each retry. */
  baseMs: number;
  /** No wait is longer, in milliseconds. */
  maxMs: number;
}

/** When an event is due that a lane could not write, in milliseconds from then. */
export const FIRST_RETRY_MS = 1_000;

/**
 * What becomes of an event that has failed: it waits for another retry, or is a dead letter.
 * @param attempts retries that it has had, counting the one that failed just now; 0 at its first failure
 * @param now epoch milliseconds
 * @param random from 0 up to, but not including, 1
 */
export function verdictFor(
  code: FailureCode,
  attempts: number,
  now: number,
  random: () => number,
  policy: BackoffPolicy,
): { status: 'failed'; nextAttemptAt: number } | { status: 'dead'; nextAttemptAt: null } {
  if (attempts >= FAILURES[code].retries) {
    return { status: 'dead', nextAttemptAt: null };
  }
  return { status: 'failed', nextAttemptAt: now + waitAfter(attempts, random, policy) };
}

function waitAfter(attempts: number, random: () => number, { baseMs, maxMs }: BackoffPolicy): number {
  const longest = Math.min(maxMs, baseMs * 2 ** attempts);
  return Math.round(longest / 2 + (random() * longest) / 2);
}
