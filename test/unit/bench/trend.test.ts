import { describe, expect, it } from 'vitest';
import { driftOf, slopeOf } from '../../../bench/soak/trend.ts';

describe('slopeOf', () => {
  it('is that of the line for points on one, wherever it begins', () => {
    const line = [0, 1, 5, 9].map((x) => ({ x: x + 100, y: 3 - 2 * x }));
    expect(slopeOf(line)).toBeCloseTo(-2);
  });

  it('is the least-squares one for points beside a line', () => {
    const points = [
      { x: 0, y: 1 },
      { x: 1, y: 3 },
      { x: 2, y: 2 },
    ];
    expect(slopeOf(points)).toBeCloseTo(0.5);
  });

  it('is flat for a saw whose teeth come back to where they were', () => {
    const saw = Array.from({ length: 1_000 }, (_, x) => ({ x, y: 500 + (x % 10) }));
    expect(Math.abs(slopeOf(saw))).toBeLessThan(0.001);
  });

  it('is 0 where there is no line', () => {
    expect(slopeOf([])).toBe(0);
    expect(slopeOf([{ x: 1, y: 5 }])).toBe(0);
  });
});

describe('driftOf', () => {
  it('sees what grows', () => {
    const growing = [50, 60, 70, 80, 90, 100, 110, 120, 130];
    expect(driftOf(growing)).toEqual({ first: 60, last: 120, drifts: true });
  });

  it('takes neither a slow minute nor a few milliseconds for drift', () => {
    expect(driftOf([50, 52, 51, 49, 50, 53, 51, 900, 50]).drifts).toBe(false);
    expect(driftOf([5, 5, 5, 9, 9, 9]).drifts).toBe(false);
  });

  it('does not mind what becomes faster', () => {
    expect(driftOf([300, 200, 100]).drifts).toBe(false);
  });
});
