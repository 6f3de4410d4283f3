/** Which organizations have a quota, kept in memory for a moment. Shared by all lanes of a process. */
import type { Quotas } from './quota-ports.ts';
import { createRefresh } from './refresh.ts';

export interface QuotaRules {
  /** Events a second; null without a quota. Cheap, and no promise. */
  rateOf(organizationId: string): number | null;
  /** Whether anybody has one: nothing is counted otherwise. */
  any(): boolean;
  /** Learns the quotas anew, at most every two seconds. @throws WriteError when PostgreSQL can't be reached */
  refresh(): Promise<void>;
}

/** @param now milliseconds of a clock that never goes back */
export function createQuotaRules(quotas: Pick<Quotas, 'list'>, now: () => number): QuotaRules {
  let rates = new Map<string | null, number>();
  return {
    rateOf: (organizationId) => rates.get(organizationId) ?? rates.get(null) ?? null,
    any: () => rates.size > 0,
    refresh: createRefresh(async () => {
      rates = new Map((await quotas.list()).map((quota) => [quota.organizationId, quota.eventsPerSecond]));
    }, now),
  };
}
