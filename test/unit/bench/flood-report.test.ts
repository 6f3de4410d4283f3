import { describe, expect, it } from 'vitest';
import { type FloodRun, judge, renderFlood } from '../../../bench/flood/report.ts';

const CALM: FloodRun = {
  way: 'calm',
  latency: { records: 1_000, p50: 20, p99: 50, p999: 60, max: 70 },
  asked: [{ name: 'from another address', asked: 300, refused: 0, p50: 2, p99: 5 }],
  flood: null,
  apiCpu: 0.02,
};

function flooded(p99: number, more: Partial<FloodRun> = {}): FloodRun {
  const flood = { seconds: 10, answered: 50_000, byStatus: { 429: 49_900, 401: 100 }, closed: 0 };
  return { ...CALM, way: 'flooded', latency: { ...CALM.latency, p99 }, flood, apiCpu: 0.2, ...more };
}

const locked = [{ name: 'from another address', asked: 300, refused: 1, p50: 2, p99: 5 }];
const small = { seconds: 10, answered: 44_000, byStatus: {}, closed: 0 };

describe('a flood', () => {
  it('passes when the median ratio of p99 is at most 1.2 and nobody was locked out', () => {
    const rounds = [
      [CALM, flooded(55)],
      [flooded(100), CALM],
      [CALM, flooded(60)],
    ];
    const verdict = judge(rounds, 5_000);
    expect(verdict).toEqual({ ratios: [1.1, 2, 1.2], lockedOut: 0, floodedEnough: true, passed: true });
    const [first, ...more] = renderFlood(rounds, verdict);
    expect(first).toBe(
      'p99 from produce to row visible, flooded / calm: **1.20** (median; 1.10 to 2.00); good tokens refused: **0**. Passed.',
    );
    expect(more.join('\n')).toContain(
      '5,000 answers a second (median), of 150,000 in all 149,700 with 429 and 300 with 401',
    );
    expect(more.join('\n')).toContain('The API used 2 % of a core when calm and 20 % when flooded');
  });

  it.each([
    ['latency moved', flooded(61), 'Failed'],
    ['somebody was locked out', flooded(55, { asked: locked }), 'good tokens refused: **1**'],
    ['it was no flood', flooded(55, { flood: small }), 'It fell short of what was wanted'],
  ])('does not pass when %s', (_what, run, words) => {
    const verdict = judge([[CALM, run]], 5_000);
    expect(verdict.passed).toBe(false);
    expect(renderFlood([[CALM, run]], verdict).join('\n')).toContain(words);
  });
});
