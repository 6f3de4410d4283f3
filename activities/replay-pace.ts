import { setTimeout as sleep } from 'node:timers/promises';
import { LogUnavailableError, WriteError } from './ports.ts';
import { createPace } from './redrive-pace.ts';
import type { LiveLag } from './replay-ports.ts';
import type { LanePace } from './run-lane.ts';

export interface ReplayPaceOptions {
  /** null for as fast as it goes. */
  ratePerSecond: number | null;
  lag: LiveLag;
  /** Live reading that is so many events behind goes first; 0 never does. */
  yieldLag: number;
}

/** How often the lag of live reading is looked at, in milliseconds. */
const LOOK_MS = 2_000;

/** Holds a lane to its share of the rate, and lets live reading go first where that falls behind. */
export function createReplayPace({ ratePerSecond, lag, yieldLag }: ReplayPaceOptions): LanePace {
  const pace = ratePerSecond === null ? null : createPace(ratePerSecond);
  let lookedAt = Number.NEGATIVE_INFINITY;

  async function isBehind(): Promise<boolean> {
    if (performance.now() - lookedAt < LOOK_MS) {
      return false;
    }
    lookedAt = performance.now();
    try {
      return (await lag.events()) > yieldLag;
    } catch (error) {
      // Whoever reads next meets the same trouble and waits for it.
      if (error instanceof WriteError || error instanceof LogUnavailableError) return false;
      throw error;
    }
  }

  return {
    async wait(records, signal, say) {
      await pace?.wait(records, signal);
      while (yieldLag > 0 && (await isBehind())) {
        say('waits for live ingestion to catch up');
        await sleep(LOOK_MS, undefined, { signal });
      }
      say(null);
    },
  };
}
