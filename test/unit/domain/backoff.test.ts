import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verdictFor } from '../../../domain/backoff.ts';
import { FAILURES, type FailureCode } from '../../../domain/failures.ts';

const NOW = Date.UTC(2026, 10, 20);
const POLICY = { baseMs: 1_000, maxMs: 900_000 };
const codes = Object.keys(FAILURES) as FailureCode[];
const permanent = codes.filter((code) => FAILURES[code].retries === 0);
const retryable = codes.filter((code) => FAILURES[code].retries > 0);

/** How long an event waits after its nth retry when chance gives this number. */
function wait(attempts: number, chance: number): number {
  const { nextAttemptAt } = verdictFor('row_contended', attempts, NOW, () => chance, POLICY);
  return (nextAttemptAt ?? Number.NaN) - NOW;
}

describe('the verdict over a failed event', () => {
  it.each(permanent)('is death at once for what no retry mends: %s', (code) => {
    expect(verdictFor(code, 0, NOW, () => 0, POLICY)).toEqual({ status: 'dead', nextAttemptAt: null });
  });

  it.each(retryable)('is death after as many retries as the code has: %s', (code) => {
    const { retries } = FAILURES[code];
    expect(verdictFor(code, retries - 1, NOW, () => 0, POLICY).status).toBe('failed');
    expect(verdictFor(code, retries, NOW, () => 0, POLICY).status).toBe('dead');
  });

  it('doubles the wait with each retry', () => {
    expect([0, 1, 2, 3].map((attempts) => wait(attempts, 0))).toEqual([500, 1_000, 2_000, 4_000]);
  });

  it('leaves half of the wait to chance', () => {
    expect([0, 0.5].map((chance) => wait(3, chance))).toEqual([4_000, 6_000]);
  });

  it('never waits longer than the policy says, nor less than half of the base', () => {
    const attempts = fc.integer({ min: 0, max: FAILURES.row_contended.retries - 1 });
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(attempts, chance, (retries, drawn) => {
        const ms = wait(retries, drawn);
        expect(Number.isInteger(ms)).toBe(true);
        expect(ms).toBeGreaterThanOrEqual(POLICY.baseMs / 2);
        expect(ms).toBeLessThanOrEqual(POLICY.maxMs);
      }),
    );
  });
});
