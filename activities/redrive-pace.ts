import { setTimeout as sleep } from 'node:timers/promises';

/** Holds work to a rate. */
export interface Pace {
  /** Waits until `count` more may begin. @throws the signal's reason when it aborts */
  wait(count: number, signal: AbortSignal): Promise<void>;
}

/**
 * A bucket of one request's size: each request waits until those before it have had their time, so that the rate is kept
 * over any stretch longer than one request.
 */
export function createPace(perSecond: number): Pace {
  let free = performance.now();
  return {
    wait: async (count, signal) => {
      const now = performance.now();
      const delay = free - now;
      free = Math.max(free, now) + (count * 1_000) / perSecond;
      if (delay > 0) {
        await sleep(delay, undefined, { signal });
      }
    },
  };
}
