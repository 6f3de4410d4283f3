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
  const flood = {
    seconds: 10,
    asleep: 0.02,
    sent: 4_100,
    answered: 4_000,
    byStatus: { 429: 3_900, 401: 100 },
    closed: 0,
  };
  return { ...CALM, way: 'flooded', latency: { ...CALM.latency, p99 }, flood, apiCpu: 0.2, ...more };
}

const locked = [{ name: 'from another address', asked: 300, refused: 1, p50: 2, p99: 5 }];
const asleep = { seconds: 10, asleep: 0.11, sent: 4_100, answered: 4_000, byStatus: {}, closed: 0 };
const order = { rate: 5_000, connections: 400 };

describe('a flood', () => {
  it('passes when the median ratio of p99 is at most 1.2 and nobody was locked out', () => {
    const rounds = [
      [CALM, flooded(55)],
      [flooded(100), CALM],
      [CALM, flooded(60)],
    ];
    const verdict = judge(rounds);
    expect(verdict).toEqual({ ratios: [1.1, 2, 1.2], lockedOut: 0, floodedEnough: true, passed: true });
    const [first, ...more] = renderFlood(rounds, verdict, order);
    expect(first).toBe(
      'p99 from produce to row visible, flooded / calm: **1.20** (median; 1.10 to 2.00); good tokens refused: **0**. Passed.',
    );
    expect(more.join('\n')).toContain('5,000 requests due a second over 400 connections');
    expect(more.join('\n')).toContain('410 sent and 400 answered a second (medians)');
    expect(more.join('\n')).toContain('Of 12,000 answers in all 11,700 were 429 and 300 were 401');
    expect(more.join('\n')).toContain('The API used 2 % of a core when calm and 20 % when flooded');
  });

  it.each([
    ['latency moved', flooded(61), 'Failed'],
    ['somebody was locked out', flooded(55, { asked: locked }), 'good tokens refused: **1**'],
    ['it was no flood', flooded(55, { flood: asleep }), 'It was asleep for too much of the time'],
  ])('does not pass when %s', (_what, run, words) => {
    const verdict = judge([[CALM, run]]);
    expect(verdict.passed).toBe(false);
    expect(renderFlood([[CALM, run]], verdict, order).join('\n')).toContain(words);
  });
});
