import { type Entity, entityOf } from '../domain/events.ts';
import { type LatePolicy, type LateWindows, latePolicyOf } from '../domain/late-data.ts';
import type { Delivery } from './ports.ts';

/** Events past retention, by what became of them. */
export interface LateCount {
  entity: Entity;
  policy: LatePolicy;
  count: number;
}

/**
 * @param windows by which the deliveries were prepared
 * @param counts of others, to add to
 */
export function countLate(
  deliveries: readonly Delivery[],
  windows: LateWindows,
  counts: LateCount[] = [],
): LateCount[] {
  for (const delivery of deliveries) {
    const policy = policyOf(delivery, windows);
    if (policy !== null) {
      add(counts, policy, delivery);
    }
  }
  return counts;
}

function policyOf(delivery: Delivery, windows: LateWindows): LatePolicy | null {
  switch (delivery.kind) {
    case 'passed':
      return delivery.reason === 'late' ? 'drop' : null;
    case 'rejected':
      return delivery.rejection.code === 'outside_retention' ? 'quarantine' : null;
    case 'stage': {
      const { entity, organizationId, eventTimestamp } = delivery.event;
      if (eventTimestamp >= windows[entity].inTimeFrom) return null; // Almost all of them, on the hot path.
      return latePolicyOf({ entity, organizationId, timestamp: eventTimestamp }, windows);
    }
    default:
      return null;
  }
}

function add(counts: LateCount[], policy: LatePolicy, delivery: Delivery): void {
  const type = 'event' in delivery ? delivery.event.eventType : undefined;
  const entity = type === undefined ? undefined : entityOf(type);
  if (entity === undefined) {
    return;
  }
  const known = counts.find((count) => count.entity === entity && count.policy === policy);
  if (known === undefined) {
    counts.push({ entity, policy, count: 1 });
  } else {
    known.count += 1;
  }
}
