/** Strong locks are asked for briefly and often, so that nobody queues up behind the asking. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WriteError } from '../../activities/ports.ts';
import { toSafeError } from './errors.ts';

const TRIES = 30;
/** Between two tries, in milliseconds. */
const PAUSE = { least: 100, most: 500 };

/** lock_not_available, query_canceled (by statement_timeout), deadlock_detected. */
const IN_THE_WAY = ['55P03', '57014', '40P01'];

/**
 * Tries until a lock can be had.
 * @returns null when it never could, or `signal` aborted
 * @throws WriteError for any other reason
 */
export async function whenUnlocked<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T | null> {
  for (let tries = 1; tries <= TRIES && !signal.aborted; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const safe = toSafeError(error);
      if (!(safe instanceof WriteError) || !IN_THE_WAY.includes(safe.code)) {
        throw safe;
      }
    }
    await sleep(PAUSE.least + Math.random() * (PAUSE.most - PAUSE.least), undefined, { signal }).catch(() => undefined);
  }
  return null;
}
