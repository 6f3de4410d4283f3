import { describe, expect, it } from 'vitest';
import { type KeepRule, latePolicyOf, lateWindows } from '../../../domain/late-data.ts';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 20, 15);
const TODAY = Date.UTC(2026, 10, 20);
const WINDOW_MS = 730 * DAY_MS;

const rule = (over: Partial<KeepRule>): KeepRule => ({
  entity: 'lead',
  organizationId: null,
  keepDays: 30,
  late: 'drop',
  ...over,
});

/** @param timestamp of a lead of org-1 */
const policyOf = (rules: readonly KeepRule[], timestamp: number | null, entity: KeepRule['entity'] = 'lead') =>
  latePolicyOf({ entity, organizationId: 'org-1', timestamp }, lateWindows(rules, WINDOW_MS, NOW));

describe('an event', () => {
  it('of a table without a rule is quarantined when it is older than the window', () => {
    expect(policyOf([], NOW - WINDOW_MS)).toBeNull();
    expect(policyOf([], NOW - WINDOW_MS - 1)).toBe('quarantine');
    expect(policyOf([rule({})], NOW - WINDOW_MS, 'contact')).toBeNull();
    expect(policyOf([rule({})], NOW - WINDOW_MS - 1, 'contact')).toBe('quarantine');
  });

  it.each(['rebuild', 'quarantine', 'drop'] as const)(
    'past its table, by whole days in UTC, meets its policy: %s',
    (late) => {
      expect(policyOf([rule({ late })], TODAY - 30 * DAY_MS)).toBeNull();
      expect(policyOf([rule({ late })], TODAY - 30 * DAY_MS - 1)).toBe(late);
    },
  );

  it('is in time for longer than the window where its table is kept for longer', () => {
    expect(policyOf([rule({ keepDays: 3_000 })], NOW - WINDOW_MS - DAY_MS)).toBeNull();
  });

  it('of a table that is kept for ever meets its policy beyond the window', () => {
    expect(policyOf([rule({ keepDays: null, late: 'rebuild' })], NOW - WINDOW_MS)).toBeNull();
    expect(policyOf([rule({ keepDays: null, late: 'rebuild' })], NOW - WINDOW_MS - 1)).toBe('rebuild');
  });

  it('without a time is not late: it has another fault', () => {
    expect(policyOf([rule({})], null)).toBeNull();
  });
});

describe("an organization's rule", () => {
  const own = rule({ organizationId: 'org-1', keepDays: 7, late: 'rebuild' });

  it('makes its events late earlier, and those of nobody else', () => {
    expect(policyOf([own], TODAY - 7 * DAY_MS)).toBeNull();
    expect(policyOf([own], TODAY - 7 * DAY_MS - 1)).toBe('rebuild');
    expect(policyOf([{ ...own, organizationId: 'org-2' }], TODAY - 7 * DAY_MS - 1)).toBeNull();
  });

  it('decides also where its table is past', () => {
    expect(policyOf([rule({}), own], TODAY - 31 * DAY_MS)).toBe('rebuild');
    expect(policyOf([rule({}), { ...own, keepDays: null }], TODAY - 31 * DAY_MS)).toBe('rebuild');
  });

  it('keeps nothing for longer than its table, whose partitions go as a whole', () => {
    const long = { ...own, keepDays: 365 };
    expect(policyOf([rule({}), long], TODAY - 30 * DAY_MS)).toBeNull();
    expect(policyOf([rule({}), long], TODAY - 31 * DAY_MS)).toBe('rebuild');
  });
});
