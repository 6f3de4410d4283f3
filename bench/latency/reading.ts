import type { Sight, Watched } from './sight.ts';

/** Somebody who reads topics into a fresh database for as long as records come. */
export interface Reading {
  /** Records are taken from the topics `from` and sent to the topics `to`, which are read. */
  topics: ReadonlyArray<{ from: string; to: string }>;
  openSight(watched: Watched): Promise<Sight>;
  /** Throws when it has failed for good. */
  assertAlive(): Promise<void> | void;
  close(): Promise<void>;
}

/** Who is compared. */
export interface Reader {
  name: 'ours' | 'peer';
  /** Begins with topics and a database of its own. */
  start(): Promise<Reading>;
}
