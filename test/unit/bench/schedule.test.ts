import { describe, expect, it } from 'vitest';
import { countBefore, createSchedule, dueTime, interleave } from '../../../bench/latency/schedule.ts';

const STREAMS = ['a', 'b', 'c'].map((topic) => ({ topic, partition: 0 }));
const LAP = { streams: STREAMS, order: Uint16Array.from([0, 1, 0, 2, 0]) };

describe('createSchedule', () => {
  const schedule = createSchedule(LAP, 1_000);

  it('gives each record of a stream its place, lap after lap', () => {
    expect([0, 1, 2, 3, 4].map((nth) => schedule.placeOf(0, nth))).toEqual([0, 2, 4, 5, 7]);
    expect([0, 1, 2].map((nth) => schedule.placeOf(2, nth))).toEqual([3, 8, 13]);
  });

  it('spaces records evenly whatever was sent before', () => {
    expect(schedule.dueAt(1, 0)).toBe(1);
    expect(schedule.dueAt(1, 1)).toBe(6);
  });

  it('counts what is due before a time as many times as there are records with an earlier one', () => {
    for (let time = 0; time < 25; time += 0.5) {
      for (const stream of STREAMS.keys()) {
        const nths = Array.from({ length: 30 }, (_, nth) => nth);
        const expected = nths.filter((nth) => schedule.dueAt(stream, nth) < time).length;
        expect(schedule.dueBefore(stream, time)).toBe(expected);
      }
    }
  });

  it('has nothing due in a stream without records', () => {
    const idle = createSchedule({ streams: STREAMS, order: Uint16Array.from([0, 2]) }, 1_000);
    expect(idle.dueBefore(1, 1_000)).toBe(0);
  });
});

describe('countBefore', () => {
  it('is nothing before the start, and one from the start on', () => {
    expect(countBefore(-5, 1_000)).toBe(0);
    expect(countBefore(0, 1_000)).toBe(0);
    expect(countBefore(0.1, 1_000)).toBe(1);
  });

  it('ends a span where the next begins', () => {
    for (const rate of [3, 7, 1_000, 10_000]) {
      expect(countBefore(dueTime(rate * 10, rate), rate)).toBe(rate * 10);
    }
  });
});

describe('interleave', () => {
  it('spreads each stream over the whole lap', () => {
    expect([...interleave([2, 4])]).toEqual([1, 0, 1, 1, 0, 1]);
  });

  it('keeps every record', () => {
    const order = interleave([5, 0, 11, 3]);
    expect([0, 1, 2, 3].map((stream) => order.filter((one) => one === stream).length)).toEqual([5, 0, 11, 3]);
  });
});
