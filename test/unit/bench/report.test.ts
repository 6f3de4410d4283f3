import { describe, expect, it } from 'vitest';
import { describeOthers, ratiosOf, renderComparison } from '../../../bench/report.ts';
import { type Round, rotate } from '../../../bench/rounds.ts';
import { measured } from './measured.ts';

function round(rates: Record<string, number>, others: number | null = 0): Round {
  return { measured: new Map(Object.entries(rates).map(([name, rate]) => [name, measured(rate)])), others };
}

describe('ratiosOf', () => {
  it('compares within each round before it summarizes', () => {
    const rounds = [round({ copy: 100, path: 90 }), round({ copy: 10, path: 6 }), round({ copy: 1_000, path: 50 })];
    // The ratio of the medians would be 0.5.
    expect(ratiosOf(rounds)).toEqual([
      { name: 'path / copy', spread: { min: 0.05, median: 0.6, max: 0.9 }, wanted: null },
    ]);
  });

  it('leaves out ratios with a contestant that did not take part', () => {
    const names = (rates: Record<string, number>) => ratiosOf([round(rates)]).map(({ name }) => name);
    const ours = { copy: 8, writer: 4, path: 2, duplicates: 6 };
    expect(names(ours)).toEqual(['path / writer', 'writer / copy', 'path / copy', 'duplicates / path']);
    expect(names({ ...ours, peer: 1 })).toContain('path / peer');
    expect(names({ same: 3, peer: 1 })).toEqual(['same / peer']);
  });
});

describe('describeOthers', () => {
  it('says how much others used, and warns when that was much in any part', () => {
    expect(describeOthers([0.01, 0.03])).toBe('Others used 2 % of the machine, at most 3 % at a time.');
    expect(describeOthers([0, 0.2, 0])).toMatch(/at most 20 % .*measure again/);
  });

  it('says nothing where the system does not tell', () => {
    expect(describeOthers([null])).toBeNull();
  });
});

describe('renderComparison', () => {
  it('puts the ratios before the figures that hold for this run alone', () => {
    const path = measured(50_000, {
      cpuPerMillion: 6.04,
      peakRssBytes: 300 * 2 ** 20,
      historyEvents: 22,
      walPerEvent: 1_548,
    });
    const both = {
      measured: new Map([
        ['path', path],
        ['writer', measured(100_000)],
      ]),
      others: 0.01,
    };
    expect(renderComparison([both]).join('\n\n')).toMatchInlineSnapshot(`
      "| ratio of events/s |  min | median |  max | wanted |
      | ----------------- | ---: | -----: | ---: | -----: |
      | path / writer     | 0.50 |   0.50 | 0.50 | ≥ 0.75 |

      Valid within this run alone:

      | contestant | events/s min |  median |     max | own CPU s per million | PostgreSQL CPU s per million | peak RSS MiB | WAL B per event | history events |
      | ---------- | -----------: | ------: | ------: | --------------------: | ---------------------------: | -----------: | --------------: | -------------: |
      | writer     |      100,000 | 100,000 | 100,000 |                     – |                            – |            – |               0 |              – |
      | path       |       50,000 |  50,000 |  50,000 |                   6.0 |                            – |          300 |           1,548 |             22 |"
    `);
  });
});

describe('rotate', () => {
  it('begins each round with another unit and keeps their order', () => {
    expect([0, 1, 2, 3].map((by) => rotate(['a', 'b', 'c'], by).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
    expect(rotate([], 1)).toEqual([]);
  });
});
