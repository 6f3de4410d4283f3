// From rounds to what people read: a table and a block for RESULTS.md.
import type { Measured, Round } from './rounds.ts';
import { type Spread, spreadOf, spreadOfKnown } from './statistics.ts';

export interface RunFacts {
  /** As it was typed. */
  command: string;
  /** When, in ISO 8601. */
  at: string;
  /** Products with their versions. */
  versions: readonly string[];
  cores: number;
  events: number;
  /** Partitions of each topic. */
  partitions: number;
  lanes: number;
  note: string | null;
}

/** What is compared with what; a ratio is left out when one of the two did not take part. */
const RATIOS = [
  ['path', 'copy'],
  ['writer', 'copy'],
  ['path', 'writer'],
  ['path', 'peer'],
  ['duplicates', 'path'],
] as const;

/** Above this share of the machine the figures are no longer the contestants' own. */
const QUIET = 0.05;
const MEBIBYTE = 2 ** 20;

const rateOf = ({ events, seconds }: Measured) => events / seconds;

export interface Ratio {
  name: string;
  /** Of the ratios of each round, so that drift between rounds cancels out. */
  spread: Spread;
}

/** The ratios of events per second, round by round. */
export function ratiosOf(rounds: readonly Round[]): Ratio[] {
  return RATIOS.flatMap(([above, below]) => {
    const values = rounds.map(({ measured }) => {
      const [numerator, denominator] = [measured.get(above), measured.get(below)];
      return numerator === undefined || denominator === undefined ? null : rateOf(numerator) / rateOf(denominator);
    });
    const spread = spreadOfKnown(values);
    return spread === null ? [] : [{ name: `${above} / ${below}`, spread }];
  });
}

/** How much of the machine others used meanwhile, and what that means for the figures; null where it is unknown. */
export function describeOthers(rounds: readonly Round[]): string | null {
  const others = spreadOfKnown(rounds.map((round) => round.others));
  if (others === null) return null;
  const share = `Others used ${percent(others.median)} of the machine, at most ${percent(others.max)} in a round`;
  return others.max <= QUIET ? `${share}.` : `${share}: **it was not quiet, measure again.**`;
}

/** Both tables in Markdown, the ratios first. */
export function renderTables(rounds: readonly Round[]): string {
  return `${ratioTable(rounds)}\n\n${contestantTable(rounds)}`;
}

function ratioTable(rounds: readonly Round[]): string {
  const rows = ratiosOf(rounds).map(({ name, spread }) => [
    name,
    ...[spread.min, spread.median, spread.max].map((ratio) => ratio.toFixed(2)),
  ]);
  return table(['ratio of events/s', 'min', 'median', 'max'], rows);
}

function contestantTable(rounds: readonly Round[]): string {
  const names = [...new Set(rounds.flatMap(({ measured }) => [...measured.keys()]))].sort(byPlace);
  const rows = names.map((name) => {
    const runs = rounds.flatMap(({ measured }) => measured.get(name) ?? []);
    const rate = spreadOf(runs.map(rateOf));
    const median = (pick: (run: Measured) => number | null) => spreadOfKnown(runs.map(pick))?.median ?? null;
    const peak = spreadOfKnown(runs.map(({ peakRssBytes }) => peakRssBytes))?.max ?? null;
    return [
      name,
      ...[rate.min, rate.median, rate.max].map(whole),
      tenths(median(({ cpuPerMillion }) => cpuPerMillion)),
      tenths(median(({ databaseCpuPerMillion }) => databaseCpuPerMillion)),
      peak === null ? '–' : whole(peak / MEBIBYTE),
      whole(median(({ historyEvents }) => historyEvents)),
    ];
  });
  const heads = [
    'contestant',
    ...['events/s min', 'median', 'max'],
    'own CPU s per million',
    'PostgreSQL CPU s per million',
    'peak RSS MiB',
    'history events',
  ];
  return table(heads, rows);
}

/** As they are told everywhere, whichever a round began with. */
const PLACES = ['copy', 'writer', 'path', 'duplicates', 'peer'];
const byPlace = (a: string, b: string) => PLACES.indexOf(a) - PLACES.indexOf(b);

/** A dated block for RESULTS.md. */
export function renderBlock(rounds: readonly Round[], facts: RunFacts): string {
  const { command, at, versions, cores, events, partitions, lanes, note } = facts;
  const paragraphs = [
    `## ${at}${note === null ? '' : `: ${note}`}`,
    `\`${command}\``,
    ratioTable(rounds),
    'Valid within this run alone:',
    contestantTable(rounds),
    `${whole(events)} events, ${partitions} partitions a topic, ${lanes} lanes, ${rounds.length} ${rounds.length === 1 ? 'round' : 'rounds'}; ${cores} cores; ${versions.join(', ')}.`,
    describeOthers(rounds),
  ];
  return `${paragraphs.filter((paragraph) => paragraph !== null).join('\n\n')}\n`;
}

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
