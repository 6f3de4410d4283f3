// Whether something grows: memory by its slope, latency by its last part beside its first.
import { spreadOf } from '../statistics.ts';

export interface Point {
  x: number;
  y: number;
}

/** Slope of the line that fits best by least squares, in units of y per unit of x; 0 for fewer than two different x. */
export function slopeOf(points: readonly Point[]): number {
  const mean = (pick: (point: Point) => number) => points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [meanX, meanY] = [mean(({ x }) => x), mean(({ y }) => y)];
  let [together, alone] = [0, 0];
  for (const { x, y } of points) {
    together += (x - meanX) * (y - meanY);
    alone += (x - meanX) ** 2;
  }
  return alone === 0 ? 0 : together / alone;
}

export interface Drift {
  /** Medians of the first and of the last third. */
  first: number;
  last: number;
  drifts: boolean;
}

/** A single slow minute is no drift, and neither are a few milliseconds. */
const FACTOR = 1.5;
const LEAST_MS = 20;

/**
 * Latency drifts when the median over the last third of the windows is half as much again as that over the first.
 * @param p99s of windows of equal length, in their order, in milliseconds
 * @throws RangeError for none
 */
export function driftOf(p99s: readonly number[]): Drift {
  const third = Math.max(1, Math.floor(p99s.length / 3));
  const first = spreadOf(p99s.slice(0, third)).median;
  const last = spreadOf(p99s.slice(-third)).median;
  return { first, last, drifts: last > first * FACTOR && last - first > LEAST_MS };
}
