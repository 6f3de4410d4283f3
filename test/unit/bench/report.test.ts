import { describe, expect, it } from 'vitest';
import { describeOthers, ratiosOf, renderBlock } from '../../../bench/report.ts';
import { type Measured, type Round, rotate } from '../../../bench/rounds.ts';

function measured(rate: number, over: Partial<Measured> = {}): Measured {
  return {
    events: rate * 2,
    seconds: 2,
    cpuPerMillion: null,
    peakRssBytes: null,
    historyEvents: null,
    databaseCpuPerMillion: null,
    ...over,
  };
}

function round(rates: Record<string, number>, others: number | null = 0): Round {
  return { measured: new Map(Object.entries(rates).map(([name, rate]) => [name, measured(rate)])), others };
}

describe('ratiosOf', () => {
  it('compares within each round before it summarizes', () => {
    const rounds = [round({ copy: 100, path: 90 }), round({ copy: 10, path: 6 }), round({ copy: 1_000, path: 50 })];
    // The ratio of the medians would be 0.5.
    expect(ratiosOf(rounds)).toEqual([{ name: 'path / copy', spread: { min: 0.05, median: 0.6, max: 0.9 } }]);
  });

  it('leaves out ratios with a contestant that did not take part', () => {
    const names = (rates: Record<string, number>) => ratiosOf([round(rates)]).map(({ name }) => name);
    const ours = { copy: 8, writer: 4, path: 2, duplicates: 6 };
    expect(names(ours)).toEqual(['path / copy', 'writer / copy', 'path / writer', 'duplicates / path']);
    expect(names({ ...ours, peer: 1 })).toContain('path / peer');
  });
});

describe('describeOthers', () => {
  it('says how much others used, and warns when that was much in any round', () => {
    expect(describeOthers([round({}, 0.01), round({}, 0.03)])).toBe(
      'Others used 2 % of the machine, at most 3 % in a round.',
    );
    expect(describeOthers([round({}, 0), round({}, 0.2), round({}, 0)])).toMatch(/at most 20 % .*measure again/);
  });

  it('says nothing where the system does not tell', () => {
    expect(describeOthers([round({}, null)])).toBeNull();
  });
});

describe('renderBlock', () => {
  const facts = {
    command: 'npm run bench -- --rounds 1',
    at: '2026-01-02 03:04',
    versions: ['Node 24.0.0', 'PostgreSQL 18.4'],
    cores: 2,
    events: 200_000,
    partitions: 6,
    lanes: 2,
    note: 'before the change',
  };

  it('puts the ratios before the figures that hold for this run alone', () => {
    const path = measured(50_000, { cpuPerMillion: 6.04, peakRssBytes: 300 * 2 ** 20, historyEvents: 22 });
    const block = renderBlock(
      [
        {
          measured: new Map([
            ['path', path],
            ['copy', measured(100_000)],
          ]),
          others: 0.01,
        },
      ],
      facts,
    );
    expect(block).toMatchInlineSnapshot(`
      "## 2026-01-02 03:04: before the change

      \`npm run bench -- --rounds 1\`

      | ratio of events/s |  min | median |  max |
      | ----------------- | ---: | -----: | ---: |
      | path / copy       | 0.50 |   0.50 | 0.50 |

      Valid within this run alone:

      | contestant | events/s min |  median |     max | own CPU s per million | PostgreSQL CPU s per million | peak RSS MiB | history events |
      | ---------- | -----------: | ------: | ------: | --------------------: | ---------------------------: | -----------: | -------------: |
      | copy       |      100,000 | 100,000 | 100,000 |                     – |                            – |            – |              – |
      | path       |       50,000 |  50,000 |  50,000 |                   6.0 |                            – |          300 |             22 |

      200,000 events, 6 partitions a topic, 2 lanes, 1 round; 2 cores; Node 24.0.0, PostgreSQL 18.4.

      Others used 1 % of the machine, at most 1 % in a round.
      "
    `);
  });
});

describe('rotate', () => {
  it('begins each round with another unit and keeps their order', () => {
    expect([0, 1, 2, 3].map((by) => rotate(['a', 'b', 'c'], by).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
    expect(rotate([], 1)).toEqual([]);
  });
});
