/**
 * The circuit breaker of one stream: trips when too many of its recent events failed for good. "Recent" forgets: counts
 * halve with each window of events and with each minute, so that neither an old outage nor a trickle of bad events over
 * days adds up. (After Nygard, Release It!, ch. 5; here what is protected is not a server but the dead letters.)
 */
export interface BreakerPolicy {
  /** Trips when more than this share of the recent events failed for good, from 0 to 1; 1 never trips. */
  share: number;
  /** Not before so many recent events. */
  minimum: number;
  /** Recent events that are remembered. */
  window: number;
}

export interface Breaker {
  /**
   * @param now milliseconds of any clock that does not go back
   * @returns whether the breaker trips with this event
   */
  record(failedForGood: boolean, now: number): boolean;
  /** What it has seen of late, for people. */
  recent(): { events: number; failed: number };
}

const HALF_LIFE_MS = 60_000;

export function createBreaker({ share, minimum, window }: BreakerPolicy): Breaker {
  let events = 0;
  let failed = 0;
  let halvedAt: number | null = null;

  function forget(now: number): void {
    halvedAt ??= now;
    const halves = Math.floor((now - halvedAt) / HALF_LIFE_MS);
    if (halves > 0) {
      events /= 2 ** halves;
      failed /= 2 ** halves;
      halvedAt += halves * HALF_LIFE_MS;
    }
    if (events >= window) {
      events /= 2;
      failed /= 2;
    }
  }

  return {
    record(failedForGood, now) {
      forget(now);
      events += 1;
      if (!failedForGood) {
        return false;
      }
      failed += 1;
      return events >= minimum && failed > share * events;
    },
    recent: () => ({ events: Math.round(events), failed: Math.round(failed) }),
  };
}
