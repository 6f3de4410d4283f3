import type { BatchAmount } from '../domain/batch-size.ts';
import { schemaIdOf } from './ingest.ts';
import { bytesOf, type LogSlice } from './ports.ts';

export function amountOf(slices: readonly LogSlice[]): BatchAmount {
  const amount = { rows: 0, bytes: 0 };
  for (const { records } of slices) {
    amount.rows += records.length;
    for (const record of records) {
      amount.bytes += bytesOf(record);
    }
  }
  return amount;
}

/** Leaves out the records of other schemas. */
export function ofSchema(slices: readonly LogSlice[], schemaId: number): LogSlice[] {
  return slices.map((slice) => ({
    ...slice,
    records: slice.records.filter(({ value }) => value !== null && schemaIdOf(value) === schemaId),
  }));
}

/**
 * Seconds from the timestamp of each record that has one to the commit, none below 0.
 * @param committed epoch milliseconds
 */
export function latenciesOf(slices: readonly LogSlice[], committed: number): number[] {
  const latencies: number[] = [];
  for (const slice of slices) {
    for (const { timestamp } of slice.records) {
      if (timestamp >= 0) {
        latencies.push(Math.max(0, committed - timestamp) / 1000);
      }
    }
  }
  return latencies;
}
