import { register } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../platform/metrics.ts';
import { quantiles } from '../../../platform/quantiles.ts';

describe('metrics', () => {
  it('are on their own registry, so that two sets can live in one process', async () => {
    const first = createMetrics();
    const second = createMetrics();
    first.laneStalls.inc();
    expect(await first.registry.metrics()).toContain('crm_lane_stalls_total 1');
    expect(await second.registry.metrics()).toContain('crm_lane_stalls_total 0');
    expect(register.getMetricsAsArray()).toEqual([]);
  });

  it('of ours are prefixed, explained, and counters end in _total', async () => {
    const ours = (await createMetrics().registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('crm_'));
    expect(ours.length).toBeGreaterThan(10);
    for (const { name, help, type } of ours) {
      expect(help).toMatch(/\.$/);
      expect(name.endsWith('_total'), name).toBe(String(type) === 'counter');
    }
  });
});

describe('quantiles', () => {
  it('are null before the first observation', async () => {
    expect(await quantiles(createMetrics().produceToCommitSeconds, [0.5])).toBeNull();
  });

  it('lie on a straight line within their bucket', async () => {
    const { produceToCommitSeconds } = createMetrics();
    // Two in (0.01, 0.015], two in (0.08, 0.1].
    for (const seconds of [0.011, 0.014, 0.081, 0.099]) produceToCommitSeconds.observe(seconds);
    const read = await quantiles(produceToCommitSeconds, [0.25, 0.5, 0.75, 1]);
    expect(read?.values.map((value) => Number(value.toFixed(6)))).toEqual([0.0125, 0.015, 0.09, 0.1]);
    expect(read?.count).toBe(4);
    expect(read?.mean).toBeCloseTo(0.05125);
  });

  it('end at the last bound', async () => {
    const { produceToCommitSeconds } = createMetrics();
    produceToCommitSeconds.observe(3_600);
    expect((await quantiles(produceToCommitSeconds, [0.99]))?.values).toEqual([10]);
  });
});
