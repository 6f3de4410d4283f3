import { describe, expect, it } from 'vitest';
import { eventsOf } from '../../../bench/events/generated.ts';

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

  it('makes ids that grow with the times when it is asked to, and changes nothing else', () => {
    const random = eventsOf({ ...SHAPE, inOrder: true });
    const growing = eventsOf({ ...SHAPE, inOrder: true, growingIds: true });
    const ids = growing.map(({ event }) => event.eventId);
    expect(new Set(ids).size).toBe(SHAPE.events);
    for (const [at, { event, role }] of growing.entries()) {
      expect(event.eventId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Number.parseInt(event.eventId.replace('-', '').slice(0, 12), 16)).toBe(event.timestamp);
      expect({ role, event: { ...event, eventId: random[at]?.event.eventId } }).toEqual(random[at]);
    }
  });

  it('keeps them in the days that end now', () => {
    for (const time of times(true)) {
      expect(time).toBeLessThanOrEqual(NOW);
      expect(time).toBeGreaterThanOrEqual(NOW - DAYS * 86_400_000);
    }
  });
});
