import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { moveRedriveOptions, redriveSliceOptions } from './activity-options.ts';
import type { RedriveInput, RedriveMoveInput, RedriveProgress } from './contracts.ts';
import {
  cancelRedriveSignal,
  pauseRedriveSignal,
  redriveProgressQuery,
  resumeRedriveSignal,
  setRateUpdate,
} from './redrive-messages.ts';
import { RedriveModel } from './redrive-model.ts';

/** Short enough that a redrive of a single event soon finds a free slot beside large ones. */
export const SLICE_MS = 20_000;

/** Events of history after which it continues as new; the server's own limits are fifty times as far. */
export const REDRIVE_HISTORY_LIMIT = 1_000;

const { moveRedrive } = proxyActivities<Activities>(moveRedriveOptions);
const slices = proxyActivities<Activities>(redriveSliceOptions);

/**
 * Redrives or discards the failed events of one request, slice after slice, until none is left or it is cancelled. What
 * it means and what became of it is in PostgreSQL; here are only ids and numbers.
 * @throws ActivityFailure when a slice fails for a reason that no retry mends
 */
export async function redriveWorkflow(input: RedriveInput): Promise<RedriveProgress> {
  const redrive = new RedriveModel(input);
  // Cancelled from outside, it ends like one that its own signal cancels.
  CancellationScope.current().cancelRequested.catch(() => redrive.cancel());
  return await CancellationScope.nonCancellable(() => work(redrive, input));
}

async function work(redrive: RedriveModel, input: RedriveInput): Promise<RedriveProgress> {
  handleMessages(redrive);
  if (input.state === undefined) {
    await move(redrive, 'running');
  }
  const slice = input.action === 'discard' ? slices.discardSlice : slices.redriveSlice;
  while (!redrive.done && !redrive.cancelled) {
    if (historyIsFull()) {
      await condition(allHandlersFinished);
      const { ratePerSecond, state } = redrive;
      return await continueAsNew<typeof redriveWorkflow>({ ...input, ratePerSecond, state });
    }
    if (redrive.state.paused) {
      await rest(redrive);
    } else {
      await takeSlice(redrive, () => slice(redrive.sliceInput(SLICE_MS)));
    }
  }
  await condition(allHandlersFinished);
  await move(redrive, redrive.done ? 'finished' : 'cancelled');
  return redrive.progress();
}

function handleMessages(redrive: RedriveModel): void {
  setHandler(pauseRedriveSignal, () => redrive.pause());
  setHandler(resumeRedriveSignal, () => redrive.resume());
  setHandler(cancelRedriveSignal, () => redrive.cancel());
  setHandler(redriveProgressQuery, () => redrive.progress());
  setHandler(setRateUpdate, (ratePerSecond) => redrive.setRate(ratePerSecond), {
    validator: (ratePerSecond) => redrive.checkRate(ratePerSecond),
  });
}

async function takeSlice(redrive: RedriveModel, slice: Parameters<RedriveModel['runSlice']>[0]): Promise<void> {
  try {
    await redrive.runSlice(slice);
  } catch (error) {
    // Interrupted before a worker took it, or its worker is gone: PostgreSQL knows what was done.
    if (isCancellation(error)) {
      log.info('Slice ends without an answer');
      return;
    }
    await move(redrive, 'failed');
    throw error;
  } finally {
    publish(redrive);
  }
}

async function rest(redrive: RedriveModel): Promise<void> {
  await move(redrive, 'paused');
  await condition(() => !redrive.state.paused || redrive.cancelled || historyIsFull());
  if (!redrive.state.paused && !redrive.cancelled) {
    await move(redrive, 'running');
  }
}

async function move({ redriveId }: RedriveModel, to: RedriveMoveInput['to']): Promise<void> {
  await moveRedrive({ redriveId, to });
}

/** What the Temporal UI shows. Costs nothing: it is read when someone looks. Markdown. */
function publish(redrive: RedriveModel): void {
  const { phase, ratePerSecond, counts } = redrive.progress();
  const { processed, skipped, filtered, failed, dead, discarded, leftOut } = counts;
  setCurrentDetails(
    [
      `**${phase}**, at most ${ratePerSecond} events a second`,
      `${processed} processed, ${skipped} skipped, ${filtered} filtered, ${failed} failed, ${dead} dead, ${discarded} discarded, ${leftOut} left out`,
    ].join('\n\n'),
  );
}

function historyIsFull(): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  return continueAsNewSuggested || historyLength > REDRIVE_HISTORY_LIMIT;
}
