// The run cut into stretches: a minute each, or a twentieth of a run that is shorter than that.
import { latenciesOf, summaryOf } from '../latency/latencies.ts';
import type { Steady } from '../latency/steady.ts';
import type { Window } from './report.ts';
import type { RssSample } from './rss.ts';
import type { Point } from './trend.ts';

const MINUTE_MS = 60_000;
const MEBIBYTE = 2 ** 20;
const FEWEST = 20;

type Seen = Pick<Steady, 'schedule' | 'sightings' | 'startAt'>;

export function windowsOf(
  { schedule, sightings, startAt }: Seen,
  rss: readonly RssSample[],
  minutes: number,
): Window[] {
  const count = Math.max(FEWEST, Math.ceil(minutes));
  const length = (minutes * MINUTE_MS) / count;
  return Array.from({ length: count }, (_, index) => {
    const [from, to] = [index * length, (index + 1) * length];
    const held = rss.filter(({ at }) => at - startAt >= from && at - startAt < to).map(({ bytes }) => bytes);
    return {
      end: to / MINUTE_MS,
      latency: summaryOf(latenciesOf(schedule, sightings, { from, to })),
      rss: held.length === 0 ? null : Math.max(...held) / MEBIBYTE,
    };
  });
}

/** Samples of memory between two minutes of the run, in minutes and MiB. */
export function memoryOf(
  { startAt }: Pick<Steady, 'startAt'>,
  rss: readonly RssSample[],
  from: number,
  to: number,
): Point[] {
  return rss
    .map(({ at, bytes }) => ({ x: (at - startAt) / MINUTE_MS, y: bytes / MEBIBYTE }))
    .filter(({ x }) => x >= from && x < to);
}
