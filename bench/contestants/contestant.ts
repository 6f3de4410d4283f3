// What every contestant is: something that gets the same events into a fresh database and says how fast.

export interface Measurement {
  /** Events. */
  events: number;
  /** Seconds in which they were written. */
  seconds: number;
  /** CPU of the contestant's own process, without PostgreSQL's, in seconds per million events; null where unknown. */
  cpuPerMillion: number | null;
  /** Most memory its process held, in bytes; null where it has no process of its own. */
  peakRssBytes: number | null;
  /** Events in the histories of its workflows; null without Temporal. */
  historyEvents: number | null;
}

/** Gives a database like that of a measured run. */
export type FreshDatabase = () => Promise<string>;

export interface Contestant {
  name: string;
  /**
   * Writes unmeasured before the first round: what compiles while it runs does so, and what can be chosen is chosen.
   * @returns what was chosen, in words that follow the name; null where there was nothing to choose
   */
  warmUp?(fresh: FreshDatabase, signal: AbortSignal): Promise<string | null>;
  /**
   * Writes all events.
   * @param databaseUrl a migrated database with the partitions that the events need, without rows
   * @param signal ends it early
   * @throws Error when not every event was written once; the signal's reason
   */
  run(databaseUrl: string, signal: AbortSignal): Promise<Measurement>;
}

/** @throws Error unless a contestant wrote what it should have */
export function assertWritten(name: string, written: number, expected: number): void {
  if (written !== expected) {
    throw new Error(`${name}: ${written} of ${expected} events were written; a figure for it would mean nothing`);
  }
}
