import type { Metrics } from '../../platform/metrics.ts';
import type { RedriveCounts } from '../../workflows/contracts.ts';

/** Adds what redrives did to the metrics; what was left out is no outcome of an event. */
export function observeRedriven(
  { redriven }: Pick<Metrics, 'redriven'>,
  { leftOut, ...outcomes }: RedriveCounts,
): void {
  for (const [outcome, count] of Object.entries(outcomes)) {
    if (count > 0) redriven.inc({ outcome }, count);
  }
}
