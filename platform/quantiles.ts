import type { Histogram } from 'prom-client';

export interface Quantiles {
  /** In the order asked for, in the histogram's unit. */
  values: number[];
  mean: number;
  count: number;
}

/**
 * Reads quantiles off a histogram without labels, as Prometheus does: straight lines between bucket bounds, and the
 * last bound for anything above it.
 * @returns null before the first observation
 */
export async function quantiles(histogram: Histogram, wanted: readonly number[]): Promise<Quantiles | null> {
  const { values, name } = await histogram.get();
  const count = values.find((value) => value.metricName === `${name}_count`)?.value ?? 0;
  const sum = values.find((value) => value.metricName === `${name}_sum`)?.value ?? 0;
  if (count === 0) return null;
  const buckets = values.flatMap(({ labels, value }) =>
    typeof labels.le === 'number' ? [{ bound: labels.le, atMost: value }] : [],
  );
  return { values: wanted.map((quantile) => read(buckets, quantile * count)), mean: sum / count, count };
}

function read(buckets: ReadonlyArray<{ bound: number; atMost: number }>, rank: number): number {
  let lower = { bound: 0, atMost: 0 };
  for (const bucket of buckets) {
    if (bucket.atMost >= rank) {
      const share = (rank - lower.atMost) / (bucket.atMost - lower.atMost);
      return lower.bound + share * (bucket.bound - lower.bound);
    }
    lower = bucket;
  }
  return lower.bound;
}
