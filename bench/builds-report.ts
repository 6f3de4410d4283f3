// Two builds side by side, in Markdown.
import { type Figure, ownCpu, peakRss, postgresCpu, rateOf, ratioCells, ratioOf, wal } from './ratios.ts';
import { contestantTable, table } from './report.ts';
import type { Round } from './rounds.ts';

const FIGURES: ReadonlyArray<readonly [name: string, figure: Figure]> = [
  ['events/s', rateOf],
  ['CPU of the worker', ownCpu],
  ['CPU of PostgreSQL', postgresCpu],
  ['peak memory of the worker', peakRss],
  ['WAL', wal],
];

/** @param above the contestant whose figures are divided by those of `below`, round by round */
export function renderBuilds(rounds: readonly Round[], above: string, below: string): string[] {
  const rows = FIGURES.flatMap(([name, figure]) => {
    const spread = ratioOf(figure, rounds, above, below);
    return spread === null ? [] : [[name, ...ratioCells(spread)]];
  });
  return [
    table([`${above} / ${below}`, 'min', 'median', 'max'], rows),
    'Valid within this run alone:',
    contestantTable(rounds),
  ];
}
