import { expect, it } from 'vitest';
import { createBreaker } from '../../../domain/breaker.ts';

const POLICY = { share: 0.5, minimum: 10, window: 100 };

/** Records events, `x` for one that failed for good; the number of the event that trips, counted from 1. */
function tripsAt(events: string, { policy = POLICY, everyMs = 0 } = {}): number | null {
  const breaker = createBreaker(policy);
  for (let index = 0; index < events.length; index += 1) {
    if (breaker.record(events[index] === 'x', index * everyMs)) {
      return index + 1;
    }
  }
  return null;
}

it('trips when more than the share failed, but not before the minimum', () => {
  expect(tripsAt('x'.repeat(20))).toBe(10);
  expect(tripsAt('.x'.repeat(500))).toBeNull();
  expect(tripsAt(`${'.x'.repeat(10)}xx`)).toBe(21);
});

it('forgets a good past, so that a stream that turns bad is stopped after about a window', () => {
  const good = '.'.repeat(10_000);
  const at = tripsAt(good + 'x'.repeat(200));
  expect(at).toBeGreaterThan(good.length);
  expect(at).toBeLessThanOrEqual(good.length + POLICY.window);
});

it('forgets with time: a trickle of bad events never adds up to the minimum', () => {
  expect(tripsAt('x'.repeat(1_000), { everyMs: 20_000 })).toBeNull();
  expect(tripsAt('x'.repeat(1_000), { everyMs: 1_000 })).toBe(10);
});

it('never trips with a share of all', () => {
  expect(tripsAt('x'.repeat(10_000), { policy: { ...POLICY, share: 1 } })).toBeNull();
});
