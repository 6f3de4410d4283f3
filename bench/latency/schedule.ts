// When each record is due. The times are fixed before anything is sent: whoever is late, the generator, Kafka or the
// reader, lengthens the latency of every record behind.
import type { TopicPartition } from '../../activities/ports.ts';

/** Records are sent lap after lap in the same order, each lap under new event ids. */
export interface Lap {
  /** The partitions that are written to. */
  streams: readonly TopicPartition[];
  /** For each record of a lap, the index of its stream. */
  order: Readonly<Uint16Array>;
}

export interface Schedule {
  /** Records per second. */
  rate: number;
  streams: readonly TopicPartition[];
  /** When a stream's record is due, in milliseconds from the start. @param nth counted from 0 */
  dueAt(stream: number, nth: number): number;
  /** Which record of the whole schedule a stream's record is, counted from 0. */
  placeOf(stream: number, nth: number): number;
  /** How many records of a stream are due before a time, in milliseconds from the start. */
  dueBefore(stream: number, time: number): number;
}

/** @param rate records per second over all streams */
export function createSchedule({ streams, order }: Lap, rate: number): Schedule {
  const places: number[][] = streams.map(() => []);
  for (const [place, stream] of order.entries()) places[stream]?.push(place);
  const placesOf = (stream: number) => places[stream] ?? [];

  function placeOf(stream: number, nth: number): number {
    const own = placesOf(stream);
    return Math.floor(nth / own.length) * order.length + (own[nth % own.length] ?? 0);
  }

  return {
    rate,
    streams,
    placeOf,
    dueAt: (stream, nth) => dueTime(placeOf(stream, nth), rate),
    dueBefore(stream, time) {
      const due = countBefore(time, rate);
      const own = placesOf(stream);
      return Math.floor(due / order.length) * own.length + rankOf(own, due % order.length);
    },
  };
}

/** When the record of a place is due, in milliseconds from the start. */
export function dueTime(place: number, rate: number): number {
  return (place * 1_000) / rate;
}

/**
 * The time that the record of a place bears: when it is due.
 * @param startedAt when the schedule began, in epoch milliseconds
 * @returns whole epoch milliseconds
 */
export function eventTime(place: number, rate: number, startedAt: number): number {
  return Math.floor(startedAt + dueTime(place, rate));
}

/** How many records are due before a time, in milliseconds from the start. */
export function countBefore(time: number, rate: number): number {
  return Math.max(0, Math.ceil((time * rate) / 1_000));
}

/** How many values are below a limit. @param sorted the smallest first */
function rankOf(sorted: readonly number[], limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Mixes the records of several streams so that each is spread evenly over the lap.
 * @param lengths records of each stream
 */
export function interleave(lengths: readonly number[]): Uint16Array {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const placed = lengths.flatMap((length, stream) =>
    Array.from({ length }, (_, nth) => ({ stream, at: (nth + 0.5) / length })),
  );
  placed.sort((a, b) => a.at - b.at || a.stream - b.stream);
  return Uint16Array.from({ length: total }, (_, place) => placed[place]?.stream ?? 0);
}
