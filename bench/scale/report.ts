// What the scale suite found, for people.
import { ratioCells } from '../ratios.ts';
import { table } from '../report.ts';
import { spreadOf } from '../statistics.ts';
import type { DimensionResult } from './dimension.ts';

/** What is wanted of a case's events per second, divided by those of its base. */
const WANTED: Readonly<Record<string, number>> = {
  '100 % known': 1.5,
  '10 million': 0.85,
  '50 million in the ledger': 0.8,
};

/** A table of ratios for each dimension, each with what it means. */
export function renderScale(results: readonly DimensionResult[]): string[] {
  return results.flatMap(({ dimension, cases: [base, ...others] }) =>
    base === undefined
      ? []
      : [
          `**${dimension.name}.** ${dimension.note} Ratios of events/s to the first line’s, round by round; the events/s are valid within this run alone.`,
          table(
            [dimension.name, 'ratio min', 'median', 'max', 'wanted', 'events/s, median'],
            [base, ...others].map(({ name, rates }) => [name, ...cellsOf(name, rates, base.rates)]),
          ),
        ],
  );
}

function cellsOf(name: string, rates: readonly number[], baseRates: readonly number[]): string[] {
  const rate = Math.round(spreadOf(rates).median).toLocaleString('en-US');
  const ratios = rates.flatMap((own, round) => {
    const base = baseRates[round];
    return base === undefined ? [] : [own / base];
  });
  const wanted = WANTED[name];
  return [...ratioCells(spreadOf(ratios)), wanted === undefined ? '–' : `≥ ${wanted.toFixed(2)}`, rate];
}
