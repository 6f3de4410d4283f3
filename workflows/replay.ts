import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  proxyActivities,
  rootCause,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { moveReplayOptions, planReplayOptions, replaySliceOptions } from './activity-options.ts';
import type {
  ReplayInput,
  ReplayMove,
  ReplayProgress,
  ReplaySliceInput,
  ReplaySliceResult,
} from './replay-contracts.ts';
import {
  cancelReplaySignal,
  pauseReplaySignal,
  replayProgressQuery,
  resumeReplaySignal,
  setSpeedUpdate,
} from './replay-messages.ts';
import { ReplayModel } from './replay-model.ts';

/** Events of history after which it continues as new; the server's own limits are fifty times as far. */
export const REPLAY_HISTORY_LIMIT = 1_000;

const { moveReplay } = proxyActivities<Activities>(moveReplayOptions);
const { planReplay } = proxyActivities<Activities>(planReplayOptions);
const { replaySlice } = proxyActivities<Activities>(replaySliceOptions);

/**
 * Reads ranges of logs or files through lanes of its own, beside live reading: divides what was asked for into parts
 * with fixed ends, and keeps as many of them being read as it has lanes, until all are read or it is cancelled.
 * @throws ActivityFailure when it can't be planned, or a part can't be read for a reason that no retry mends
 */
export async function replayWorkflow(input: ReplayInput): Promise<ReplayProgress> {
  const replay = new ReplayModel(input);
  // Cancelled from outside, it ends like one that its own signal cancels.
  CancellationScope.current().cancelRequested.catch(() => replay.cancel());
  return await CancellationScope.nonCancellable(() => work(replay));
}

async function work(replay: ReplayModel): Promise<ReplayProgress> {
  handleMessages(replay);
  await plan(replay);
  while (!replay.done && !replay.cancelled && replay.failure === null) {
    if (historyIsFull()) {
      replay.interrupt();
      await condition(() => replay.idle && allHandlersFinished());
      if (replay.cancelled || replay.failure !== null || replay.done) {
        continue; // Meanwhile: the next run would not know.
      }
      return await continueAsNew<typeof replayWorkflow>({ ...replay.input, ...replay.speed, state: replay.state });
    }
    if (replay.state.paused) {
      await rest(replay);
    } else {
      await readOn(replay);
    }
  }
  await condition(() => replay.idle && allHandlersFinished());
  if (replay.failure !== null) {
    await move(replay, 'failed', rootCause(replay.failure));
    throw replay.failure;
  }
  await move(replay, replay.done ? 'finished' : 'cancelled');
  return replay.progress();
}

function handleMessages(replay: ReplayModel): void {
  setHandler(pauseReplaySignal, () => replay.pause());
  setHandler(resumeReplaySignal, () => replay.resume());
  setHandler(cancelReplaySignal, () => replay.cancel());
  setHandler(replayProgressQuery, () => replay.progress());
  setHandler(setSpeedUpdate, (speed) => replay.setSpeed(speed), { validator: (speed) => replay.checkSpeed(speed) });
}

async function plan(replay: ReplayModel): Promise<void> {
  if (replay.planned) {
    return;
  }
  try {
    await replay.plan(() => planReplay({ replayId: replay.input.replayId }));
    await move(replay, 'running');
  } catch (error) {
    if (!(replay.cancelled && isCancellation(error))) {
      replay.failure = error;
    }
  }
}

/** Begins what may be begun, and waits until that changes. */
async function readOn(replay: ReplayModel): Promise<void> {
  for (const part of replay.startable()) {
    void replay.runSlice(part, (slice) => read(replay, slice));
  }
  publish(replay);
  await condition(() => replay.startable().length > 0 || replay.halted || replay.done || historyIsFull());
}

async function read(replay: ReplayModel, slice: ReplaySliceInput): Promise<ReplaySliceResult | null> {
  try {
    return await replaySlice(slice);
  } catch (error) {
    // Interrupted before a worker took it, or its worker is gone: PostgreSQL knows what was done.
    if (!isCancellation(error)) {
      replay.failure ??= error;
      replay.interrupt();
    }
    return null;
  }
}

async function rest(replay: ReplayModel): Promise<void> {
  await condition(() => replay.idle);
  await move(replay, 'paused');
  publish(replay);
  await condition(() => !replay.state.paused || replay.cancelled || historyIsFull());
  if (!replay.state.paused && !replay.cancelled) {
    await move(replay, 'running');
  }
}

async function move({ input: { replayId } }: ReplayModel, to: ReplayMove, reason?: string): Promise<void> {
  await moveReplay({ replayId, to, ...(reason !== undefined && { reason }) });
}

/** What the Temporal UI shows. Costs nothing: it is read when someone looks. Markdown. */
function publish(replay: ReplayModel): void {
  const { phase, lanes, ratePerSecond, parts, finished, totals } = replay.progress();
  const { stored, skipped, changed = 0, filtered, failed, dead } = totals;
  setCurrentDetails(
    [
      `**${phase}**, ${lanes} lanes, ${ratePerSecond === null ? 'as fast as it goes' : `at most ${ratePerSecond} events a second`}`,
      `${finished} of ${parts} parts are read`,
      `${stored} stored, ${changed} changed, ${skipped} skipped, ${filtered} filtered, ${failed} failed, ${dead} dead in finished slices`,
    ].join('\n\n'),
  );
}

function historyIsFull(): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  return continueAsNewSuggested || historyLength > REPLAY_HISTORY_LIMIT;
}
