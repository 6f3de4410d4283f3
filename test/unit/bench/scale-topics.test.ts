import { describe, expect, it } from 'vitest';
import { eventsOf } from '../../../bench/scale/topics.ts';

const NOW = Date.UTC(2026, 10, 30);
const DAYS = 0.05;
const SHAPE = { events: 1_000, seed: 'order', organizations: 5, days: DAYS, now: NOW };

const times = (inOrder: boolean) => eventsOf({ ...SHAPE, inOrder }).map(({ event }) => event.timestamp);

describe('eventsOf', () => {
  it('sorts the very same events by their times when it is asked to', () => {
    const told = times(false);
    const sorted = [...told].sort((one, other) => one - other);
    expect(told).not.toEqual(sorted);
    expect(times(true)).toEqual(sorted);
  });

  it('keeps them in the days that end now', () => {
    for (const time of times(true)) {
      expect(time).toBeLessThanOrEqual(NOW);
      expect(time).toBeGreaterThanOrEqual(NOW - DAYS * 86_400_000);
    }
  });
});
