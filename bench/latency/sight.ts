// How far records are visible to other transactions, asked again and again on a connection of its own.
import type { Generator } from './generator.ts';
import type { Schedule } from './schedule.ts';

export interface Look {
  /** When the answer came, on the shared clock. */
  at: number;
  /** By stream, how many of its records are visible, counted from the first. */
  visible: readonly number[];
}

export interface Sight {
  look(): Promise<Look>;
  close(): Promise<void>;
}

/**
 * What is watched: the generator's records, sent by a schedule that began at `startAt` of the shared clock, which is
 * `startedAt` in epoch milliseconds.
 */
export interface Watched {
  generator: Pick<Generator, 'lap' | 'ids' | 'firstOffsets' | 'firstLap'>;
  schedule: Schedule;
  startAt: number;
  startedAt: number;
}
