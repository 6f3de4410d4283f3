// What is measured of a contestant, and ratios of it between two of them.
import type { Measured, Round } from './rounds.ts';
import { type Spread, spreadOfKnown } from './statistics.ts';

/** null where it is unknown. */
export type Figure = (measured: Measured) => number | null;

/** Events per second. */
export const rateOf = ({ events, seconds }: Measured): number => events / seconds;
export const ownCpu: Figure = ({ cpuPerMillion }) => cpuPerMillion;
export const postgresCpu: Figure = ({ serverCpuPerMillion }) => serverCpuPerMillion.postgres;
export const peakRss: Figure = ({ peakRssBytes }) => peakRssBytes;
export const wal: Figure = ({ walPerEvent }) => walPerEvent;

/**
 * A figure of one contestant divided by that of another, in each round, so that drift between rounds cancels out.
 * @returns null when no round has both
 */
export function ratioOf(figure: Figure, rounds: readonly Round[], above: string, below: string): Spread | null {
  return spreadOfKnown(
    rounds.map(({ measured }) => {
      const [numerator, denominator] = [above, below].map((name) => {
        const found = measured.get(name);
        return found === undefined ? null : figure(found);
      });
      return numerator == null || denominator == null || denominator === 0 ? null : numerator / denominator;
    }),
  );
}

/** Minimum, median and maximum, as tables have them. */
export const ratioCells = ({ min, median, max }: Spread): string[] =>
  [min, median, max].map((ratio) => ratio.toFixed(2));
