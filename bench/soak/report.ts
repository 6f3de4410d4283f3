// What the soak suite found, for people.
import type { LatencySummary } from '../latency/latencies.ts';
import { table } from '../report.ts';
import { type Drift, driftOf, slopeOf } from './trend.ts';

/** A stretch of the run. */
export interface Window {
  /** Minutes from the start to its end. */
  end: number;
  latency: LatencySummary;
  /** Most memory of the worker in it, in MiB; null where the system does not tell. */
  rss: number | null;
}

export interface Soak {
  /** Events that the tables held when the steady part began. */
  filled: number;
  /** Events per second: the most that was read, and what was sent. */
  most: number;
  rate: number;
  minutes: number;
  windows: readonly Window[];
  /** Samples of the worker's memory after the warm-up: minutes from the start, MiB. */
  memory: ReadonlyArray<{ x: number; y: number }>;
  /** Minutes that don't count for the verdict. */
  warmUp: number;
}

export interface Verdict {
  passed: boolean;
  /** MiB per minute; null where the system does not tell of memory. */
  slope: number | null;
  drift: Drift;
}

/** Less than this is flat, in MiB per minute. */
const FLAT = 1;

/** @throws RangeError for a run without a window after its warm-up */
export function judge({ windows, memory, warmUp }: Soak): Verdict {
  const counted = windows.filter(({ end }) => end > warmUp);
  const drift = driftOf(counted.map(({ latency }) => latency.p99));
  const slope = memory.length === 0 ? null : slopeOf(memory);
  return { passed: !drift.drifts && (slope ?? 0) < FLAT, slope, drift };
}

/** The verdict first. */
export function renderSoak(soak: Soak, { passed, slope, drift }: Verdict): string[] {
  const { filled, minutes, rate, most, windows, warmUp } = soak;
  const memory =
    slope === null
      ? 'The system does not tell of memory'
      : `Memory of the worker after ${tenths(warmUp)} minutes: ${slope.toFixed(2)} MiB a minute (wanted: less than ${FLAT})`;
  const latency = `p99 was ${tenths(drift.first)} ms in the first third and ${tenths(drift.last)} ms in the last: ${drift.drifts ? 'it drifts' : 'no drift'}`;
  const share = Math.round((rate / most) * 100);
  return [
    `**${passed ? 'Passed' : 'Failed'}.** ${memory}; ${latency}.`,
    `${tenths(minutes)} minutes at ${whole(rate)} events/s, ${share} % of the ${whole(most)} that were read in the minute after a checkpoint had begun while more were sent, both valid within this run alone; the tables held ${whole(filled)} events when it began, and ${whole(filled + minutes * 60 * rate)} in the end. Milliseconds from when a record was due to be sent until other transactions saw it:`,
    table(
      ['until minute', 'p50', 'p99', 'p99.9', 'max', 'worker’s RSS, MiB'],
      windows.map(({ end, latency: { p50, p99, p999, max }, rss }) => [
        end.toFixed(Number.isInteger(end) ? 0 : 2),
        ...[p50, p99, p999, max].map(tenths),
        rss === null ? '–' : whole(rss),
      ]),
    ),
  ];
}

const whole = (value: number) => Math.round(value).toLocaleString('en-US');
const tenths = (value: number) => value.toFixed(1);
