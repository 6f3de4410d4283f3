/** The late-data policies as they are in PostgreSQL, kept in memory for a moment. Shared by all that writes in a process. */
import { type KeepRule, type LateWindows, lateWindows, quarantineBefore } from '../domain/late-data.ts';
import { createRefresh } from './refresh.ts';

export interface LatePolicies {
  /** What holds at `now`, in epoch milliseconds, by the rules known last. Cheap, and no promise. */
  at(now: number): LateWindows;
  /** Learns the rules anew, at most every two seconds. @throws WriteError when PostgreSQL can't be reached */
  refresh(): Promise<void>;
}

export interface LatePoliciesDeps {
  /** Rules of the staging tables. @throws WriteError */
  load(): Promise<readonly KeepRule[]>;
  /** Where no rule says otherwise, in milliseconds. */
  windowMs: number;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

export function createLatePolicies({ load, windowMs, now: clock }: LatePoliciesDeps): LatePolicies {
  let rules: readonly KeepRule[] = [];
  let latest: { at: number; windows: LateWindows } | null = null;

  return {
    at(now) {
      // The slices of a batch ask for the same moment.
      if (latest?.at !== now) {
        latest = { at: now, windows: lateWindows(rules, windowMs, now) };
      }
      return latest.windows;
    },
    refresh: createRefresh(async () => {
      rules = await load();
      latest = null;
    }, clock),
  };
}

/** One window for all, without rules. @param windowMs in milliseconds */
export function fixedLateWindow(windowMs: number): LatePolicies {
  return { at: (now) => quarantineBefore(now - windowMs), refresh: async () => {} };
}
