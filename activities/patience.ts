import { setTimeout as sleep } from 'node:timers/promises';

/** First and longest wait between tries, in milliseconds. */
const FIRST = 100;
const LONGEST = 5_000;

/** Waits between tries, each about twice as long as the last, with jitter so that lanes don't return in step. */
export interface Patience {
  /** @throws the signal's reason when it aborts */
  wait(): Promise<void>;
}

export function createPatience(signal: AbortSignal): Patience {
  let next = FIRST;
  return {
    wait: async () => {
      const delay = next * (0.5 + Math.random() / 2);
      next = Math.min(next * 2, LONGEST);
      await sleep(delay, undefined, { signal });
    },
  };
}

/**
 * Calls `attempt` until it succeeds.
 * @param troubleOf says in safe words why an error is worth waiting for; null lets the error out
 * @param onTrouble told at each failure
 * @throws what `troubleOf` lets out, or the signal's reason when it aborts
 */
export async function persevere<T>(
  attempt: () => Promise<T>,
  troubleOf: (error: unknown) => string | null,
  onTrouble: (reason: string) => void,
  signal: AbortSignal,
): Promise<T> {
  const patience = createPatience(signal);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const reason = troubleOf(error);
      if (reason === null) {
        throw error;
      }
      onTrouble(reason);
      await patience.wait();
    }
  }
}

/** Waits for work that never rejects, but not when the signal aborts: the work then goes on alone. */
export async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) {
    return;
  }
  const aborted = Promise.withResolvers<void>();
  const abort = () => aborted.resolve();
  signal.addEventListener('abort', abort, { once: true });
  await Promise.race([work, aborted.promise]);
  signal.removeEventListener('abort', abort);
}

/** Whether waiting ended because its signal aborted. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
