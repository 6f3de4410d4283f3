// Two builds side by side, in Markdown.
import { contestantTable, table } from './report.ts';
import type { Measured, Round } from './rounds.ts';
import { spreadOfKnown } from './statistics.ts';

const FIGURES: ReadonlyArray<readonly [name: string, pick: (run: Measured) => number | null]> = [
  ['events/s', ({ events, seconds }) => events / seconds],
  ['CPU of the worker', ({ cpuPerMillion }) => cpuPerMillion],
  ['CPU of PostgreSQL', ({ serverCpuPerMillion }) => serverCpuPerMillion.postgres],
  ['peak memory of the worker', ({ peakRssBytes }) => peakRssBytes],
  ['WAL', ({ walPerEvent }) => walPerEvent],
];

/** @param above the contestant whose figures are divided by those of `below`, round by round */
export function renderBuilds(rounds: readonly Round[], above: string, below: string): string[] {
  const rows = FIGURES.flatMap(([name, pick]) => {
    const values = rounds.map(({ measured }) => {
      const [one, other] = [measured.get(above), measured.get(below)].map((run) => run && pick(run));
      return one === undefined || one === null || !other ? null : one / other;
    });
    const spread = spreadOfKnown(values);
    if (spread === null) return [];
    return [[name, ...[spread.min, spread.median, spread.max].map((ratio) => ratio.toFixed(2))]];
  });
  return [
    table([`${above} / ${below}`, 'min', 'median', 'max'], rows),
    'Valid within this run alone:',
    contestantTable(rounds),
  ];
}
