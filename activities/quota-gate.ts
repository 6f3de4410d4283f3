/**
 * Holds organizations to their quotas. In live reading, what is over a quota is left in Kafka as a range of that
 * organization, and everything else of the partition goes on; where such ranges are read again, the lane waits instead.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch, Delivery, LaneObserver } from './ports.ts';
import type { Quotas } from './quota-ports.ts';
import type { QuotaRules } from './quota-rules.ts';

export interface QuotaGate {
  /** Learns the quotas anew, at most every two seconds. @throws WriteError */
  refresh(): Promise<void>;
  /** Whether anybody has a quota: otherwise there is nothing to judge. */
  applies(): boolean;
  /**
   * Sees to it that what is left of a batch is within the quotas. Safe to call again after it threw: then it has changed
   * nothing, and took at most too much from the buckets.
   * @throws WriteError; the signal's reason when it aborts while it waits
   */
  judge(batch: Batch, signal: AbortSignal): Promise<void>;
}

/** For reading that a person asked for, which has a rate of its own. */
export const NO_QUOTAS: QuotaGate = { refresh: async () => {}, applies: () => false, judge: async () => {} };

export interface QuotaGateDeps {
  rules: QuotaRules;
  quotas: Pick<Quotas, 'take'>;
  observer: Pick<LaneObserver, 'incident'>;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

/** How long a lane that waits for a bucket lets it fill, in milliseconds. */
const FILL_MS = 1_000;

/** How often one organization that stays over its quota is told of. */
const TELL_MS = 60_000;

/** For live reading: parks what is over a quota. */
export function createQuotaGate({ rules, quotas, observer, now }: QuotaGateDeps): QuotaGate {
  const told = new Map<string, number>();

  function tell(organizationId: string, topic: string): void {
    const at = now();
    for (const [known, since] of told) {
      if (at - since >= TELL_MS) told.delete(known);
    }
    if (!told.has(organizationId)) {
      told.set(organizationId, at);
      observer.incident('over_quota', { organizationId, topic });
    }
  }

  return {
    refresh: () => rules.refresh(),
    applies: () => rules.any(),
    async judge(batch) {
      const wanted = countLimited(batch, rules);
      if (wanted.size === 0) return;
      const left = await quotas.take(wanted);
      for (let index = 0; index < batch.deliveries.length; index += 1) {
        const delivery = batch.deliveries[index] as Delivery;
        if (delivery.kind === 'tombstone' || delivery.kind === 'parked') continue;
        const { slice, record, schemaId, event } = delivery;
        const { organizationId } = event;
        const tokens = organizationId === undefined ? undefined : left.get(organizationId);
        if (organizationId === undefined || tokens === undefined) continue;
        if (tokens > 0) {
          left.set(organizationId, tokens - 1);
          continue;
        }
        batch.deliveries[index] = {
          kind: 'parked',
          slice,
          record,
          reason: 'over_quota',
          schemaId: schemaId ?? 0,
          organizationId,
        };
        tell(organizationId, (batch.slices[slice] as Batch['slices'][number]).range.topic);
      }
    },
  };
}

/** For ranges that are read again: waits until the quotas have room for a whole batch. */
export function createPatientQuotaGate({ rules, quotas }: Pick<QuotaGateDeps, 'rules' | 'quotas'>): QuotaGate {
  return {
    refresh: () => rules.refresh(),
    applies: () => rules.any(),
    async judge(batch, signal) {
      let wanted = countLimited(batch, rules);
      while (wanted.size > 0) {
        const given = await quotas.take(wanted);
        wanted = new Map(
          [...wanted]
            .map(([organizationId, count]) => [organizationId, count - (given.get(organizationId) ?? 0)] as const)
            .filter(([, missing]) => missing > 0),
        );
        if (wanted.size > 0) await sleep(FILL_MS, undefined, { signal });
      }
    },
  };
}

/** How many events a batch holds of each organization that has a quota. */
export function countLimited(batch: Batch, rules: Pick<QuotaRules, 'rateOf'>): Map<string, number> {
  const counts = new Map<string, number>();
  /** Whoever has no quota is looked up once. */
  const free = new Set<string>();
  for (const delivery of batch.deliveries) {
    const organizationId = organizationOf(delivery);
    if (organizationId === undefined || free.has(organizationId)) continue;
    const count = counts.get(organizationId);
    if (count !== undefined) counts.set(organizationId, count + 1);
    else if (rules.rateOf(organizationId) === null) free.add(organizationId);
    else counts.set(organizationId, 1);
  }
  return counts;
}

/** What can't be told of an event counts for nobody. */
function organizationOf(delivery: Delivery): string | undefined {
  return delivery.kind === 'tombstone' || delivery.kind === 'parked' ? undefined : delivery.event.organizationId;
}
