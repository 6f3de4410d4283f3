import { describe, expect, it } from 'vitest';
import { createLatePolicies } from '../../../activities/late-policies.ts';
import { WriteError } from '../../../activities/ports.ts';
import type { KeepRule } from '../../../domain/late-data.ts';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 20, 15);
const RULE: KeepRule = { entity: 'lead', organizationId: null, keepDays: 1, late: 'drop' };

function createPolicies() {
  let clock = 0;
  let rules: KeepRule[] = [];
  let loads = 0;
  let down = false;
  const policies = createLatePolicies({
    load: async () => {
      loads += 1;
      if (down) throw new WriteError('ECONNREFUSED');
      return rules;
    },
    windowMs: 730 * DAY_MS,
    now: () => clock,
  });
  return {
    policies,
    loads: () => loads,
    pass: (ms: number) => {
      clock += ms;
    },
    decide: (decided: KeepRule[]) => {
      rules = decided;
    },
    fail: (fails: boolean) => {
      down = fails;
    },
  };
}

describe('the policies', () => {
  it('are asked for once every two seconds, whatever the number of lanes', async () => {
    const { policies, loads, pass } = createPolicies();
    await Promise.all([policies.refresh(), policies.refresh(), policies.refresh()]);
    pass(1_999);
    await policies.refresh();
    expect(loads()).toBe(1);
    pass(1);
    await policies.refresh();
    expect(loads()).toBe(2);
  });

  it('change with what people decide', async () => {
    const { policies, decide, pass } = createPolicies();
    await policies.refresh();
    expect(policies.at(NOW).lead).toMatchObject({ start: NOW - 730 * DAY_MS, late: 'quarantine' });
    decide([RULE]);
    pass(2_000);
    await policies.refresh();
    expect(policies.at(NOW).lead).toMatchObject({ start: Date.UTC(2026, 10, 19), late: 'drop' });
    expect(policies.at(NOW + DAY_MS).lead.start).toBe(Date.UTC(2026, 10, 20));
  });

  it('are not taken for known when PostgreSQL does not answer', async () => {
    const { policies, decide, fail } = createPolicies();
    decide([RULE]);
    fail(true);
    await expect(policies.refresh()).rejects.toThrow(WriteError);
    fail(false);
    await policies.refresh();
    expect(policies.at(NOW).lead.late).toBe('drop');
  });
});
