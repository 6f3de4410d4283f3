// From rounds to what people read.
import { type Figure, ownCpu, peakRss, postgresCpu, rateOf, ratioCells, ratioOf, wal } from './ratios.ts';
import type { Round } from './rounds.ts';
import { type Spread, spreadOf, spreadOfKnown } from './statistics.ts';

/** What is compared with what, and what is wanted; a ratio is left out when one of the two did not take part. */
const RATIOS: ReadonlyArray<readonly [above: string, below: string, wanted?: number]> = [
  ['same', 'peer', 1.25],
  ['path', 'peer', 1],
  ['path', 'writer', 0.75],
  ['writer', 'copy', 0.6],
  ['path', 'copy'],
  ['path', 'same'],
  ['duplicates', 'path', 1.5],
];

/** Above this share of the machine the figures are no longer the contestants' own. */
const QUIET = 0.05;
const MEBIBYTE = 2 ** 20;

export interface Ratio {
  name: string;
  /** Of the ratios of each round, so that drift between rounds cancels out. */
  spread: Spread;
  /** The least that the median should be; null where nothing is promised. */
  wanted: number | null;
}

/** The ratios of events per second, round by round. */
export function ratiosOf(rounds: readonly Round[]): Ratio[] {
  return RATIOS.flatMap(([above, below, wanted = null]) => {
    const spread = ratioOf(rateOf, rounds, above, below);
    return spread === null ? [] : [{ name: `${above} / ${below}`, spread, wanted }];
  });
}

/**
 * How much of the machine others used meanwhile, and what that means for the figures; null where it is unknown.
 * @param parts shares of 0 to 1, one for each part of the run
 */
export function describeOthers(parts: ReadonlyArray<number | null>): string | null {
  const others = spreadOfKnown(parts);
  if (others === null) return null;
  const share = `Others used ${percent(others.median)} of the machine, at most ${percent(others.max)} at a time`;
  return others.max <= QUIET ? `${share}.` : `${share}: **it was not quiet, measure again.**`;
}

/** What a comparison found, in Markdown: the ratios first. */
export function renderComparison(rounds: readonly Round[]): string[] {
  return [ratioTable(rounds), 'Valid within this run alone:', contestantTable(rounds)];
}

function ratioTable(rounds: readonly Round[]): string {
  const rows = ratiosOf(rounds).map(({ name, spread, wanted }) => [
    name,
    ...ratioCells(spread),
    wanted === null ? '–' : `≥ ${wanted.toFixed(2)}`,
  ]);
  return table(['ratio of events/s', 'min', 'median', 'max', 'wanted'], rows);
}

/** What each contestant did, for itself. */
export function contestantTable(rounds: readonly Round[]): string {
  const names = [...new Set(rounds.flatMap(({ measured }) => [...measured.keys()]))].sort(byPlace);
  const rows = names.map((name) => {
    const runs = rounds.flatMap(({ measured }) => measured.get(name) ?? []);
    const rate = spreadOf(runs.map(rateOf));
    const median = (figure: Figure) => spreadOfKnown(runs.map(figure))?.median ?? null;
    const peak = spreadOfKnown(runs.map(peakRss))?.max ?? null;
    return [
      name,
      ...[rate.min, rate.median, rate.max].map(whole),
      tenths(median(ownCpu)),
      tenths(median(postgresCpu)),
      peak === null ? '–' : whole(peak / MEBIBYTE),
      whole(median(wal)),
      whole(median(({ historyEvents }) => historyEvents)),
    ];
  });
  const heads = [
    'contestant',
    ...['events/s min', 'median', 'max'],
    'own CPU s per million',
    'PostgreSQL CPU s per million',
    'peak RSS MiB',
    'WAL B per event',
    'history events',
  ];
  return table(heads, rows);
}

/** As they are told everywhere, whichever a round began with. */
const PLACES = ['copy', 'writer', 'path', 'duplicates', 'same', 'peer'];
const byPlace = (a: string, b: string) => PLACES.indexOf(a) - PLACES.indexOf(b);

/** As the formatter of this repository lays Markdown tables out: words to the left, numbers to the right. */
export function table(heads: readonly string[], rows: readonly string[][]): string {
  const widths = heads.map((_, column) => Math.max(...[heads, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const padded = (row: readonly string[]) =>
    line(row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))));
  const rule = line(widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)));
  return [padded(heads), rule, ...rows.map(padded)].join('\n');
}

const percent = (share: number) => `${Math.round(share * 100)} %`;
const whole = (value: number | null) => (value === null ? '–' : Math.round(value).toLocaleString('en-US'));
const tenths = (value: number | null) => (value === null ? '–' : value.toFixed(1));
