import { ApplicationFailure, activityInfo } from '@temporalio/activity';
import { addTotals, type LaneInput, type LaneProgress, type LaneResult, NO_TOTALS } from '../workflows/contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import { heartbeating } from './heartbeating.ts';
import { type LaneDeps, runLane } from './run-lane.ts';

/**
 * Makes the lane activity: it reads its partitions for one slice, heartbeats what it has done, and hands over when it
 * is cancelled or its worker shuts down. What attempts that crashed had counted is taken from their last heartbeat.
 * @param depsFor what a lane works with
 */
export function createLane(depsFor: (input: LaneInput) => LaneDeps): (input: LaneInput) => Promise<LaneResult> {
  return withSafeFailures(async (input) => {
    if (input.partitions.length === 0) {
      throw ApplicationFailure.nonRetryable('a lane needs at least one partition', 'InvalidLaneInput');
    }
    let latest: LaneProgress | undefined = activityInfo().heartbeatDetails ?? undefined;
    const earlier = latest?.totals ?? NO_TOTALS;
    const report = (progress: LaneProgress) => {
      latest = { ...progress, totals: addTotals(earlier, progress.totals) };
    };
    const result = await heartbeating(
      (signal) => runLane(depsFor(input), input, { signal, report }),
      () => latest,
    );
    return { ...result, totals: addTotals(earlier, result.totals) };
  });
}
