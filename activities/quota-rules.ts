/** Which organizations have a quota, kept in memory for a moment. Shared by all lanes of a process. */
import type { Quotas } from './quota-ports.ts';

export interface QuotaRules {
  /** Events a second; null without a quota. Cheap, and no promise. */
  rateOf(organizationId: string): number | null;
  /** Whether anybody has one: nothing is counted otherwise. */
  any(): boolean;
  /** Learns the quotas anew, at most every two seconds. @throws WriteError when PostgreSQL can't be reached */
  refresh(): Promise<void>;
}

const REFRESH_MS = 2_000;

/** @param now milliseconds of a clock that never goes back */
export function createQuotaRules(quotas: Pick<Quotas, 'list'>, now: () => number): QuotaRules {
  let rates = new Map<string | null, number>();
  let refreshedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | null = null;

  async function reload(): Promise<void> {
    const asked = now();
    try {
      rates = new Map((await quotas.list()).map((quota) => [quota.organizationId, quota.eventsPerSecond]));
      refreshedAt = asked;
    } finally {
      loading = null;
    }
  }

  return {
    rateOf: (organizationId) => rates.get(organizationId) ?? rates.get(null) ?? null,
    any: () => rates.size > 0,
    async refresh() {
      if (now() - refreshedAt >= REFRESH_MS) {
        loading ??= reload();
        await loading;
      }
    },
  };
}
