import type { DueRetry, RetryScheduler } from '../../activities/failed-ports.ts';

/** Retries on their way to Redis; beyond that Redis is too slow to be of use, and the sweep adds them in its time. */
const MOST_IN_FLIGHT = 10_000;

/**
 * Sends retries to the queue without anybody waiting for it.
 * @param isReady whether Redis can be reached; while it can't, nothing is sent
 */
export function createRetryScheduler(
  add: (retries: readonly DueRetry[]) => Promise<void>,
  isReady: () => boolean,
): RetryScheduler {
  let inFlight = 0;
  return {
    schedule(retries) {
      if (retries.length === 0 || !isReady() || inFlight + retries.length > MOST_IN_FLIGHT) {
        return;
      }
      inFlight += retries.length;
      add(retries)
        // The connection's errors are logged where it is opened.
        .catch(() => {})
        .finally(() => {
          inFlight -= retries.length;
        });
    },
  };
}
