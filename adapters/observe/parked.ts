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

/** Shows how many records wait for a quota, whosever they are. */
export function observeOverQuota(
  { overQuotaRecords }: Pick<Metrics, 'overQuotaRecords'>,
  waiting: ReadonlyArray<{ topic: string; records: number }>,
): void {
  overQuotaRecords.reset();
  for (const { topic, records } of waiting) overQuotaRecords.inc({ topic }, records);
}
