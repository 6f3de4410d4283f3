import { ApplicationFailure, activityInfo } from '@temporalio/activity';
import { addCounts } from '../domain/counts.ts';
import {
  NO_REDRIVE_COUNTS,
  type RedriveMoveInput,
  type RedriveSliceInput,
  type RedriveSliceProgress,
  type RedriveSliceResult,
} from '../workflows/contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import { heartbeating } from './heartbeating.ts';
import type { Store } from './ports.ts';
import { type PageWork, runRedriveSlice, UnknownRedriveError } from './redrive-slice.ts';
import { createDiscardWork, createRedriveWork, type RedriveWorkDeps } from './redrive-work.ts';

export interface RedriveDeps extends RedriveWorkDeps {
  store: Pick<Store, 'redrives' | 'failed' | 'runs'>;
  consumerGroup: string;
  /** Redrives in a row that may fail before an event is left out. */
  mostRedrives: number;
}

/** Makes the activities of redrives; `moveRedrive` is quick, the slices take as long as they are told. */
export function createRedriveActivities(deps: RedriveDeps) {
  const { mostRedrives } = deps;
  const { redrives, runs } = deps.store;

  const slicesOf = <Prepared>(work: PageWork<Prepared>) =>
    withSafeFailures(async (input: RedriveSliceInput): Promise<RedriveSliceResult> => {
      const earlier: RedriveSliceProgress | undefined = activityInfo().heartbeatDetails ?? undefined;
      let latest = earlier;
      const had = earlier?.counts ?? NO_REDRIVE_COUNTS;
      const report = (progress: RedriveSliceProgress) => {
        latest = { ...progress, counts: addCounts(had, progress.counts) };
      };
      const from = { ...input, after: earlier?.after ?? input.after };
      try {
        const result = await heartbeating(
          (signal) => runRedriveSlice({ redrives, mostRedrives }, work, from, { signal, report }),
          () => latest,
        );
        return { ...result, counts: addCounts(had, result.counts) };
      } catch (error) {
        throw error instanceof UnknownRedriveError
          ? ApplicationFailure.nonRetryable(error.message, 'UnknownRedrive')
          : error;
      }
    });

  return {
    redriveSlice: slicesOf(createRedriveWork(deps)),
    discardSlice: slicesOf(createDiscardWork(deps)),
    /** Tells PostgreSQL how a redrive stands; its first word registers the run whose id the rows carry. */
    moveRedrive: withSafeFailures(async ({ redriveId, to }: RedriveMoveInput): Promise<void> => {
      if (to === 'running') {
        await runs.start({ runId: redriveId, kind: 'redrive', scope: deps.consumerGroup });
      }
      await redrives.move(redriveId, to);
      if (to !== 'running' && to !== 'paused') {
        await runs.finish(redriveId, to === 'failed' ? 'failed' : 'stopped');
      }
    }),
  };
}
