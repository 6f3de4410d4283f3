// From what was seen to how long records took.
import type { Schedule } from './schedule.ts';

/** At a time, in milliseconds from the start, the first so many records of a stream were visible to others. */
export interface Sighting {
  at: number;
  visible: number;
}

/** A span of the schedule, in milliseconds from the start; its end is outside. */
export interface Span {
  from: number;
  to: number;
}

/**
 * How long the records due in a span took from when they were due until they were seen, in milliseconds, the smallest
 * first.
 * @param sightings of each stream, in order of time
 * @throws Error for a record that was never seen
 */
export function latenciesOf(
  schedule: Schedule,
  sightings: ReadonlyArray<readonly Sighting[]>,
  { from, to }: Span,
): Float64Array {
  const spans = schedule.streams.map((_, stream) => ({
    first: schedule.dueBefore(stream, from),
    end: schedule.dueBefore(stream, to),
  }));
  const latencies = new Float64Array(spans.reduce((sum, { first, end }) => sum + end - first, 0));
  let at = 0;
  for (const [stream, { first, end }] of spans.entries()) {
    const seen = sightings[stream] ?? [];
    let next = 0;
    for (let nth = first; nth < end; nth += 1) {
      while ((seen[next]?.visible ?? Number.POSITIVE_INFINITY) <= nth) next += 1;
      const sighting = seen[next];
      if (sighting === undefined) throw new Error(`record ${nth} of stream ${stream} was never seen`);
      latencies[at] = sighting.at - schedule.dueAt(stream, nth);
      at += 1;
    }
  }
  return latencies.sort();
}

export interface LatencySummary {
  records: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  p999: number;
  max: number;
}

/** @param sorted the smallest first */
export function summaryOf(sorted: ArrayLike<number>): LatencySummary {
  return {
    records: sorted.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    max: percentile(sorted, 1),
  };
}

/** The smallest value that at least this share of all does not exceed; 0 for none. @param sorted the smallest first */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
