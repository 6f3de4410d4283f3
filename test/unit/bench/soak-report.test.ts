import { describe, expect, it } from 'vitest';
import { judge, renderSoak, type Soak } from '../../../bench/soak/report.ts';

const latency = (p99: number) => ({ records: 1_000, p50: p99 / 2, p99, p999: p99 * 2, max: p99 * 3 });

function soak(mebibytesAMinute: number, p99s: readonly number[]): Soak {
  const windows = p99s.map((p99, index) => ({ end: index + 1, latency: latency(p99), rss: 400 }));
  const memory = Array.from({ length: 60 }, (_, second) => ({
    x: second / 60,
    y: 400 + (mebibytesAMinute * second) / 60,
  }));
  return { filled: 10_000_000, most: 50_000, rate: 35_000, minutes: p99s.length, windows, memory, warmUp: 1 };
}

const STEADY = [900, 60, 61, 62, 60, 59, 61];

describe('judge', () => {
  it('passes what is flat, whatever the warm-up was like', () => {
    const verdict = judge(soak(0.2, STEADY));
    expect(verdict.passed).toBe(true);
    expect(verdict.slope).toBeCloseTo(0.2);
  });

  it('fails a mebibyte a minute', () => {
    expect(judge(soak(1.01, STEADY)).passed).toBe(false);
    expect(judge(soak(0.99, STEADY)).passed).toBe(true);
  });

  it('fails latency that drifts', () => {
    expect(judge(soak(0, [60, 60, 60, 70, 90, 120, 150])).passed).toBe(false);
  });

  it('judges latency alone where the system does not tell of memory', () => {
    expect(judge({ ...soak(0, STEADY), memory: [] })).toMatchObject({ passed: true, slope: null });
  });
});

describe('renderSoak', () => {
  it('says the verdict first, with both measures and what the rate is a share of', () => {
    const found = soak(0.2, STEADY);
    const [verdict, circumstances, table] = renderSoak(found, judge(found));
    expect(verdict).toMatch(/^\*\*Passed\.\*\* .*0\.20 MiB a minute.*no drift\.$/);
    expect(circumstances).toContain('70 % of the 50,000');
    expect(circumstances).toContain('held 10,000,000 events when it began, and 24,700,000 in the end');
    expect(table?.split('\n')).toHaveLength(2 + STEADY.length);
  });
});
