import type { Delivery } from '../../activities/ports.ts';
import type { Entity } from '../../domain/events.ts';
import { logTimestamp } from './batch-columns.ts';
import { dayOf } from './partitions.ts';

/** The days that each table must have a partition for, by the epoch milliseconds of their beginnings. */
export type NeededPartitions = Map<Entity | 'log', Set<number>>;

export function createNeededPartitions() {
  const log = new Set<number>();
  const staged = { lead: new Set<number>(), contact: new Set<number>(), opportunity: new Set<number>() };
  return {
    add(deliveries: readonly Delivery[]): void {
      for (const delivery of deliveries) {
        if (delivery.kind === 'tombstone' || delivery.kind === 'parked') {
          continue;
        }
        const time = logTimestamp(delivery);
        const day = dayOf(time);
        if (time > 0) {
          log.add(day);
        }
        // A staged event is logged at its own time.
        if (delivery.kind === 'stage') {
          staged[delivery.event.entity].add(day);
        }
      }
    },
    all: (): NeededPartitions =>
      new Map<Entity | 'log', Set<number>>([...(Object.entries(staged) as Array<[Entity, Set<number>]>), ['log', log]]),
  };
}

export function neededPartitions(deliveries: readonly Delivery[]): NeededPartitions {
  const needed = createNeededPartitions();
  needed.add(deliveries);
  return needed.all();
}
