import type { LaneObserver } from '../../activities/ports.ts';
import type { Replay } from '../../activities/replay-ports.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/metrics.ts';
import type { LaneTotals } from '../../workflows/contracts.ts';
import { createLaneObserver } from './lane-observer.ts';

/**
 * What a lane of a replay reports, without what would be taken for live reading: positions, lag and latency of events
 * that may be years old.
 * @param logger with the replay and part as its fields
 */
export function createReplayObserver(metrics: Metrics, logger: Logger): LaneObserver {
  const { incident, stalled, recovered, batchRetried, batchSplit, info } = createLaneObserver(metrics, logger);
  return {
    batchWritten: () => recovered(),
    incident,
    stalled,
    recovered,
    batchRetried,
    batchSplit,
    released: () => recovered(),
    info,
  };
}

const OUTCOMES = ['stored', 'skipped', 'changed', 'filtered', 'failed', 'dead', 'parked'] as const;

/** Adds what a slice of a replay did to the metrics. */
export function observeReplayed(
  { replayed }: Pick<Metrics, 'replayed'>,
  { kind, mode }: Pick<Replay, 'kind' | 'mode'>,
  totals: LaneTotals,
): void {
  for (const outcome of OUTCOMES) {
    const count = totals[outcome] ?? 0;
    if (count > 0) replayed.inc({ kind, mode, outcome }, count);
  }
}
