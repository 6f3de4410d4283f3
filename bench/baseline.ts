// The guard against getting slower: ratios of now beside those that were recorded. Never absolute times.
import { z } from 'zod';
import { type Figure, ownCpu, postgresCpu, ratioOf, wal } from './ratios.ts';
import { ratiosOf, table } from './report.ts';
import type { Round } from './rounds.ts';
import type { Spread } from './statistics.ts';

export interface GuardedRatio {
  name: string;
  better: 'higher' | 'lower';
  spread: Spread;
}

export const baselineFile = z.object({
  at: z.string(),
  /** Cores and versions, for people. */
  machine: z.string(),
  ratios: z.record(
    z.string(),
    /** `tolerance`: how far the median may move for the worse, as a share of it. */
    z.object({ median: z.number().positive(), tolerance: z.number().positive() }),
  ),
});

export type Baseline = z.output<typeof baselineFile>;

export interface Change {
  name: string;
  before: number | null;
  now: number | null;
  /** (now - before) / before; null without one of them. */
  change: number | null;
  tolerance: number | null;
  verdict: 'as before' | 'better' | 'worse' | 'new' | 'not measured';
}

/** What else runs on the machine hardly touches these, so that they tell of less than rates can. */
const COSTS: ReadonlyArray<readonly [what: string, cost: Figure, above: string, below: string]> = [
  ['own CPU', ownCpu, 'path', 'writer'],
  ['own CPU', ownCpu, 'path', 'same'],
  ["PostgreSQL's CPU", postgresCpu, 'writer', 'copy'],
  ["PostgreSQL's CPU", postgresCpu, 'path', 'copy'],
  ["PostgreSQL's CPU", postgresCpu, 'duplicates', 'path'],
  ['WAL', wal, 'path', 'copy'],
];

/** What is guarded: ratios of events per second, of CPU and of WAL; those with a contestant missing are left out. */
export function guardedRatios(rounds: readonly Round[]): GuardedRatio[] {
  const rates = ratiosOf(rounds).map(({ name, spread }) => ({ name, better: 'higher' as const, spread }));
  const costs = COSTS.flatMap(([what, cost, above, below]) => {
    const spread = ratioOf(cost, rounds, above, below);
    return spread === null ? [] : [{ name: `${what}, ${above} / ${below}`, better: 'lower' as const, spread }];
  });
  return [...rates, ...costs];
}

const LEAST_TOLERANCE = 0.1;

/** A baseline of these ratios, each tolerated to move by half of what it moved between the rounds, or 10 %. */
export function baselineOf(ratios: readonly GuardedRatio[], facts: Pick<Baseline, 'at' | 'machine'>): Baseline {
  const entries = ratios.map(({ name, spread: { min, median, max } }) => {
    const tolerance = Math.max(LEAST_TOLERANCE, (max - min) / 2 / median);
    return [name, { median: rounded(median, 3), tolerance: rounded(tolerance, 2) }] as const;
  });
  return { ...facts, ratios: Object.fromEntries(entries) };
}

/** What moved since the baseline, and how far. */
export function changesSince(baseline: Baseline, ratios: readonly GuardedRatio[]): Change[] {
  const measured = ratios.map(({ name, better, spread: { median: now } }): Change => {
    const known = baseline.ratios[name];
    if (known === undefined) return { name, before: null, now, change: null, tolerance: null, verdict: 'new' };
    const { median: before, tolerance } = known;
    const change = (now - before) / before;
    const gain = better === 'higher' ? change : -change;
    const verdict = gain < -tolerance ? 'worse' : gain > tolerance ? 'better' : 'as before';
    return { name, before, now, change, tolerance, verdict };
  });
  const names = new Set(ratios.map(({ name }) => name));
  const missing = Object.entries(baseline.ratios).filter(([name]) => !names.has(name));
  return [
    ...measured,
    ...missing.map(([name, { median, tolerance }]): Change => {
      return { name, before: median, now: null, change: null, tolerance, verdict: 'not measured' };
    }),
  ];
}

/** As a table in Markdown. */
export function renderChanges(changes: readonly Change[]): string {
  return table(
    ['ratio', 'baseline', 'now', 'change', 'tolerated', 'verdict'],
    changes.map(({ name, before, now, change, tolerance, verdict }) => [
      name,
      before?.toFixed(2) ?? '–',
      now?.toFixed(2) ?? '–',
      change === null ? '–' : `${change < 0 ? '−' : '+'}${percent(Math.abs(change))}`,
      tolerance === null ? '–' : percent(tolerance),
      verdict === 'worse' ? '**worse**' : verdict,
    ]),
  );
}

const percent = (share: number) => `${Math.round(share * 100)} %`;
const rounded = (value: number, digits: number) => Number(value.toFixed(digits));
