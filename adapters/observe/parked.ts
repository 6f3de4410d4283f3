import type { Stream } from '../../activities/stream-ports.ts';
import type { Metrics } from '../../platform/metrics.ts';

/** Shows how many records are left in Kafka; schema ids are no labels, since forged ones have no end. */
export function observeParked({ parkedRecords }: Pick<Metrics, 'parkedRecords'>, streams: readonly Stream[]): void {
  parkedRecords.reset();
  for (const { topic, state, parked } of streams) {
    if (parked.records > 0) {
      parkedRecords.inc({ topic, state }, parked.records);
    }
  }
}
