import { describe, expect, it } from 'vitest';
import { latenciesOf, percentile, summaryOf } from '../../../bench/latency/latencies.ts';
import { createSchedule } from '../../../bench/latency/schedule.ts';

const STREAMS = [
  { topic: 'leads', partition: 0 },
  { topic: 'leads', partition: 1 },
];
/** Ten a second, so one each 100 ms: stream 0 at 0, 200 and 400 ms, stream 1 at 100, 300 and 500 ms. */
const SCHEDULE = createSchedule({ streams: STREAMS, order: Uint16Array.from([0, 1]) }, 10);

describe('latenciesOf', () => {
  it('counts from when a record was due, so that a stall is part of all records behind it', () => {
    const stalled = [
      [{ at: 1_000, visible: 3 }],
      [
        { at: 110, visible: 1 },
        { at: 1_000, visible: 3 },
      ],
    ];
    expect([...latenciesOf(SCHEDULE, stalled, { from: 0, to: 600 })]).toEqual([10, 500, 600, 700, 800, 1_000]);
  });

  it('leaves out what was due before or after the span', () => {
    const seen = [[{ at: 450, visible: 3 }], [{ at: 550, visible: 3 }]];
    expect([...latenciesOf(SCHEDULE, seen, { from: 200, to: 400 })]).toEqual([250, 250]);
  });

  it('takes the first look that showed a record', () => {
    const seen = [
      [
        { at: 20, visible: 1 },
        { at: 210, visible: 2 },
        { at: 999, visible: 3 },
      ],
      [{ at: 999, visible: 3 }],
    ];
    expect([...latenciesOf(SCHEDULE, seen, { from: 200, to: 201 })]).toEqual([10]);
  });

  it('refuses a record that was never seen', () => {
    expect(() => latenciesOf(SCHEDULE, [[{ at: 1, visible: 1 }], []], { from: 0, to: 600 })).toThrow(/never seen/);
  });
});

describe('percentile', () => {
  const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);

  it('is the smallest value that so many do not exceed', () => {
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile(hundred, 0.999)).toBe(100);
    expect(percentile(hundred, 1)).toBe(100);
  });

  it('is the value itself for one, and 0 for none', () => {
    expect(percentile([7], 0.01)).toBe(7);
    expect(percentile([], 0.99)).toBe(0);
  });

  it('is what a summary holds', () => {
    expect(summaryOf(hundred)).toEqual({ records: 100, p50: 50, p99: 99, p999: 100, max: 100 });
  });
});
