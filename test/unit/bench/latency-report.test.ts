import { describe, expect, it } from 'vitest';
import { type LatencyRun, renderLatencies } from '../../../bench/latency/report.ts';

function run(reader: LatencyRun['reader'], rate: number, p99: number, late = 2): LatencyRun {
  return {
    reader,
    rate,
    latency: { records: rate * 60, p50: p99 / 2, p99, p999: p99 * 2, max: p99 * 3 },
    punctuality: { late: { p99: late, max: late * 2 }, acknowledged: { p99: 5, max: 9 } },
    looks: { median: 2, p99: 4 },
  };
}

describe('renderLatencies', () => {
  it('puts ours beside the rival at each rate, the lowest first, as the median of the rounds', () => {
    const rounds = [
      run('ours', 5_000, 50),
      run('peer', 5_000, 100),
      run('ours', 1_000, 10),
      run('peer', 1_000, 100),
      run('ours', 5_000, 30),
      run('peer', 5_000, 100),
      run('ours', 5_000, 80),
      run('peer', 5_000, 100),
    ];
    const [ratios, , latencies] = renderLatencies(rounds);
    expect(ratios?.split('\n').slice(2)).toEqual([
      '| 1,000 events/s | 0.10 | 0.10 |  0.10 |',
      '| 5,000 events/s | 0.50 | 0.50 |  0.50 |',
    ]);
    expect(latencies).toMatch(/^\| 5,000 events\/s, ours +\| +25\.0 \| +50\.0 \| +100\.0 \| 240\.0 \| +300,000 \|$/m);
  });

  it('compares with nobody when there is nobody', () => {
    expect(renderLatencies([run('ours', 1_000, 10)]).join('\n')).not.toContain('ours / peer');
  });

  it('says when the generator fell behind its schedule', () => {
    expect(renderLatencies([run('ours', 1_000, 10)]).join('\n')).not.toContain('measure again');
    expect(renderLatencies([run('ours', 1_000, 10, 11)]).join('\n')).toContain('fell behind, measure again');
  });
});
