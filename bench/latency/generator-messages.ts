// What a generator and its thread say to each other.
import type { Lap } from './schedule.ts';

export interface GeneratorSettings {
  brokers: readonly string[];
  /** What the topics `from` hold now is sent to the topics `to`, into the same partitions. */
  topics: ReadonlyArray<{ from: string; to: string }>;
  /** About so many records at most make a lap; all that the topics hold when left out. */
  mostRecords?: number;
  /** Which lap is sent first, 0 when left out: each lap has ids of its own. */
  firstLap?: number;
}

/** What the thread found. */
export interface Ready {
  lap: Lap;
  /** Event ids of the lap's records. */
  ids: string[];
  /** Where each stream's first record will go. */
  firstOffsets: number[];
  /** As it was asked for. */
  firstLap: number;
}

export interface Order {
  /** On the shared clock, in milliseconds. */
  startAt: number;
  /** The same moment in epoch milliseconds: the time of the first event. */
  startedAt: number;
  /** Records per second. */
  rate: number;
  records: number;
  /** How often what is due is sent, in milliseconds. */
  tickMs: number;
  /** The generator's own delays count from this record on. */
  countFrom: number;
}

/** How a generator kept to its schedule, in milliseconds. */
export interface Punctuality {
  /** From when a record was due until it was handed to the producer. */
  late: { p99: number; max: number };
  /** From then until Kafka had acknowledged it. */
  acknowledged: { p99: number; max: number };
}
