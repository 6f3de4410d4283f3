import { type EventFilter, isMeant } from '../domain/event-filter.ts';
import type { BatchPart } from './ingest.ts';
import type { Delivery } from './ports.ts';

/** Takes the deliveries that do not fit out of a batch, or a part of it: their offsets count as absent. */
export function leaveOut(batch: BatchPart, filter: EventFilter): void {
  const left = new Array<number>(batch.slices.length).fill(0);
  batch.deliveries = batch.deliveries.filter((delivery) => {
    const meant = isDeliveryMeant(filter, delivery);
    if (!meant) left[delivery.slice] = (left[delivery.slice] ?? 0) + 1;
    return meant;
  });
  batch.slices = batch.slices.map((slice, index) => {
    const records = slice.records - (left[index] ?? 0);
    return { ...slice, records, absent: slice.next - slice.from - records };
  });
}

function isDeliveryMeant(filter: EventFilter, delivery: Delivery): boolean {
  return delivery.kind !== 'tombstone' && delivery.kind !== 'parked' && isMeant(filter, delivery.event);
}
