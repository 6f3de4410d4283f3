import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  baselineFile,
  baselineOf,
  changesSince,
  type GuardedRatio,
  guardedRatios,
  renderChanges,
} from '../../../bench/baseline.ts';
import { measured } from './measured.ts';

const facts = { at: '2026-01-02', machine: '2 cores' };
const steady = (median: number) => ({ min: median, median, max: median });
const ratio = (name: string, median: number, better: GuardedRatio['better'] = 'higher'): GuardedRatio => ({
  name,
  better,
  spread: steady(median),
});

describe('guardedRatios', () => {
  it('compares rates, CPU and WAL within each round, whatever the machine did in it', () => {
    const servers = { kafka: 1, registry: 1, temporal: 1, redis: 1 };
    const round = (speed: number) => ({
      measured: new Map([
        [
          'copy',
          measured(100 * speed, { serverCpuPerMillion: { ...servers, postgres: 10 / speed }, walPerEvent: 500 }),
        ],
        [
          'path',
          measured(40 * speed, { serverCpuPerMillion: { ...servers, postgres: 30 / speed }, walPerEvent: 1_500 }),
        ],
      ]),
      others: 0,
    });
    expect(guardedRatios([round(1), round(3), round(0.5)])).toEqual([
      { name: 'path / copy', better: 'higher', spread: steady(0.4) },
      { name: "PostgreSQL's CPU, path / copy", better: 'lower', spread: steady(3) },
      { name: 'WAL, path / copy', better: 'lower', spread: steady(3) },
    ]);
  });

  it('leaves out what is not known', () => {
    const unknown = {
      measured: new Map([
        ['path', measured(1)],
        ['writer', measured(1)],
      ]),
      others: null,
    };
    expect(guardedRatios([unknown]).map(({ name }) => name)).toEqual(['path / writer']);
  });
});

describe('baselineOf', () => {
  it('tolerates half of what moved between the rounds, and 10 % at least', () => {
    const noisy = { name: 'noisy', better: 'higher', spread: { min: 0.6, median: 1, max: 1.2 } } as const;
    expect(baselineOf([noisy, ratio('still', 2)], facts)).toEqual({
      ...facts,
      ratios: { noisy: { median: 1, tolerance: 0.3 }, still: { median: 2, tolerance: 0.1 } },
    });
  });
});

describe('changesSince', () => {
  const baseline = { ...facts, ratios: { a: { median: 2, tolerance: 0.1 } } };
  const verdictOf = (now: number, better?: GuardedRatio['better']) =>
    changesSince(baseline, [ratio('a', now, better)])[0]?.verdict;

  it('tells worse from better beyond the tolerance, by the direction of the ratio', () => {
    expect([1.7, 1.85, 2.15, 2.3].map((now) => verdictOf(now))).toEqual(['worse', 'as before', 'as before', 'better']);
    expect([1.7, 1.85, 2.15, 2.3].map((now) => verdictOf(now, 'lower'))).toEqual([
      'better',
      'as before',
      'as before',
      'worse',
    ]);
  });

  it('names what is new and what was not measured', () => {
    expect(changesSince(baseline, [ratio('b', 1)])).toEqual([
      { name: 'b', before: null, now: 1, change: null, tolerance: null, verdict: 'new' },
      { name: 'a', before: 2, now: null, change: null, tolerance: 0.1, verdict: 'not measured' },
    ]);
  });

  it('finds nothing changed in what the baseline was made of', () => {
    const ratios = [ratio('a', 0.123456), ratio('b', 7.891)];
    const verdicts = changesSince(baselineOf(ratios, facts), ratios).map(({ verdict }) => verdict);
    expect(verdicts).toEqual(['as before', 'as before']);
  });
});

describe('renderChanges', () => {
  it('says by how much each ratio moved', () => {
    const baseline = { ...facts, ratios: { a: { median: 2, tolerance: 0.1 }, c: { median: 3, tolerance: 0.2 } } };
    expect(renderChanges(changesSince(baseline, [ratio('a', 1.5), ratio('b', 1)]))).toMatchInlineSnapshot(`
      "| ratio | baseline |  now | change | tolerated |      verdict |
      | ----- | -------: | ---: | -----: | --------: | -----------: |
      | a     |     2.00 | 1.50 |  −25 % |      10 % |    **worse** |
      | b     |        – | 1.00 |      – |         – |          new |
      | c     |     3.00 |    – |      – |      20 % | not measured |"
    `);
  });
});

describe('bench/baseline.json', () => {
  it('is one', () => {
    const file = readFileSync(new URL('../../../bench/baseline.json', import.meta.url), 'utf8');
    expect(Object.keys(baselineFile.parse(JSON.parse(file)).ratios)).toContain('path / writer');
  });
});
