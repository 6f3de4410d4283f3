import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  log,
  proxyActivities,
  rootCause,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import {
  boundedOptions,
  LONG_RUN_MS,
  laneOptions,
  mirrorOptions,
  startRunOptions,
  watchOptions,
} from './activity-options.ts';
import { laneSummary, publishDetails, publishPhase } from './appearance.ts';
import {
  type IngestionInput,
  type IngestionPhase,
  type IngestionStatus,
  laneActivityId,
  type PartitionId,
} from './contracts.ts';
import { describePartitions } from './deal.ts';
import { Ingestion } from './ingestion-model.ts';
import { Lanes } from './lanes.ts';
import { pauseSignal, resumeSignal, seekUpdate, setLanesUpdate, statusQuery, stopSignal } from './messages.ts';
import { validateLanes, validateSeek } from './validation.ts';

/** Events of history after which the workflow continues as new; the server's own limits are fifty times as far. */
export const HISTORY_LIMIT = 1_000;

const { startRun } = proxyActivities<Activities>(startRunOptions);
const { finishRun, seekPosition } = proxyActivities<Activities>(boundedOptions);
const { watchPartitions } = proxyActivities<Activities>(watchOptions);
const { mirrorPositions } = proxyActivities<Activities>(mirrorOptions);

/**
 * Ingests the topics of one consumer group until it is stopped: deals their partitions to lanes, keeps one activity
 * running for each lane, and follows partitions and topics that appear. Positions live in PostgreSQL, so that nothing
 * is lost or repeated however lanes end.
 */
export async function ingestionWorkflow(input: IngestionInput): Promise<IngestionStatus> {
  const { firstExecutionRunId, startTime } = workflowInfo();
  const ingestion = new Ingestion(input, { id: firstExecutionRunId, startedAt: startTime.toISOString() });
  // Cancelled from outside, it drains like one that was stopped.
  CancellationScope.current().cancelRequested.catch(() => ingestion.stop());
  return await CancellationScope.nonCancellable(() => ingest(ingestion));
}

async function ingest(ingestion: Ingestion): Promise<IngestionStatus> {
  const lanes = new Lanes((lane, partitions) => readSlices(ingestion, lane, partitions));
  handleMessages(ingestion, lanes);

  const published = publisher(ingestion, lanes);
  published.refresh();
  await register(ingestion);

  const background = new CancellationScope();
  const backgroundEnded = background.run(() => Promise.all([watch(ingestion), mirror(ingestion)]));

  while (!ingestion.stopping && !historyIsFull()) {
    lanes.settle(ingestion.wanted());
    published.refresh();
    await condition(
      () => ingestion.stopping || historyIsFull() || lanes.unsettled(ingestion.wanted()) || published.isStale(),
    );
  }

  ingestion.handingOver = !ingestion.stopping;
  lanes.settle(ingestion.wanted());
  published.refresh();
  await condition(() => lanes.idle && allHandlersFinished());
  // Last, so that the mirror shows where the lanes ended.
  background.cancel();
  await backgroundEnded;
  // A message may have come while the background ended.
  await condition(allHandlersFinished);
  if (!ingestion.stopping) {
    return await continueAsNew<typeof ingestionWorkflow>({ settings: ingestion.settings, state: ingestion.state });
  }
  await finish(ingestion);
  return ingestion.status('stopped');
}

function handleMessages(ingestion: Ingestion, lanes: Lanes): void {
  setHandler(pauseSignal, () => ingestion.pause());
  setHandler(resumeSignal, () => ingestion.resume());
  setHandler(stopSignal, () => ingestion.stop());
  setHandler(statusQuery, () => ingestion.status(ingestion.phase(lanes.idle)));
  setHandler(
    setLanesUpdate,
    async (count) => {
      ingestion.setLanes(count);
      await condition(() => lanes.match(ingestion.wanted()));
    },
    { validator: (count) => validateLanes(ingestion, count) },
  );
  setHandler(
    seekUpdate,
    async (request) => {
      ingestion.hold(request);
      try {
        await condition(() => !lanes.isRead(request));
        return await seekPosition({ ...run(ingestion), request });
      } finally {
        ingestion.release(request);
      }
    },
    { validator: (request) => validateSeek(ingestion, request) },
  );
}

/** Reads slice after slice until cancelled, or until a failure that no retry mends parks the lane. */
async function readSlices(ingestion: Ingestion, lane: number, partitions: readonly PartitionId[]): Promise<void> {
  const activities = proxyActivities<Activities>(laneOptions(ingestion.settings));
  const scope = CancellationScope.current();
  log.info('Lane starts', { lane, partitions: describePartitions(partitions) });
  try {
    while (!scope.consideredCancelled) {
      const input = ingestion.laneInput(lane, partitions);
      ingestion.endSlice(
        await activities.lane.executeWithOptions(
          { activityId: laneActivityId(lane), summary: laneSummary(lane, partitions) },
          [input],
        ),
      );
    }
    log.info('Lane ends', { lane });
  } catch (error) {
    if (scope.consideredCancelled) {
      // It never began or its worker is gone: whoever reads next claims the positions and fences a late survivor.
      log.info('Lane ends without an answer', { lane });
    } else {
      ingestion.park(lane, reasonOf(error));
      log.error('Lane parked: resume or seek once the reason is gone', { lane, reason: reasonOf(error) });
    }
  }
}

async function watch(ingestion: Ingestion): Promise<void> {
  await repeat('watching partitions', async () => {
    const { partitions: known } = ingestion.state;
    const { topics } = ingestion.settings;
    ingestion.setPartitions(await watchPartitions({ topics, known, durationMs: LONG_RUN_MS }));
  });
}

async function mirror({ settings: { consumerGroup } }: Ingestion): Promise<void> {
  await repeat('mirroring positions', () => mirrorPositions({ consumerGroup, durationMs: LONG_RUN_MS }));
}

/** Repeats a long activity until cancelled; whatever happens to it, ingestion goes on. */
async function repeat(what: string, activity: () => Promise<void>): Promise<void> {
  const scope = CancellationScope.current();
  while (!scope.consideredCancelled) {
    try {
      await activity();
    } catch (error) {
      if (!scope.consideredCancelled) {
        log.warn(`Trouble ${what}`, { reason: reasonOf(error) });
        await sleep('15s').catch(() => undefined);
      }
    }
  }
}

/** Makes the run known in PostgreSQL, however long that takes, unless the ingestion is stopped before. */
async function register(ingestion: Ingestion): Promise<void> {
  if (ingestion.registered) {
    return;
  }
  const scope = new CancellationScope();
  void condition(() => ingestion.stopping).then(() => scope.cancel());
  try {
    await scope.run(() => startRun(run(ingestion)));
    ingestion.registered = true;
  } catch (error) {
    if (!isCancellation(error)) {
      throw error;
    }
  }
}

async function finish(ingestion: Ingestion): Promise<void> {
  if (!ingestion.registered) {
    return;
  }
  try {
    await finishRun(run(ingestion));
  } catch (error) {
    log.warn('The run is stopped but PostgreSQL was not told', { reason: reasonOf(error) });
  }
}

/** Keeps what the Temporal UI shows in step with the ingestion. */
function publisher(ingestion: Ingestion, lanes: Lanes): { isStale(): boolean; refresh(): void } {
  let shownPhase: IngestionPhase | null = null;
  let shownSlices = -1;
  const phaseNow = () => ingestion.phase(lanes.idle);
  return {
    isStale: () => shownPhase !== phaseNow() || shownSlices !== ingestion.state.slices,
    refresh() {
      const phase = phaseNow();
      if (shownPhase !== phase) {
        publishPhase(ingestion, phase);
      }
      publishDetails(ingestion, phase);
      shownPhase = phase;
      shownSlices = ingestion.state.slices;
    },
  };
}

function run({ state, settings }: Ingestion): { runId: string; consumerGroup: string } {
  return { runId: state.runId, consumerGroup: settings.consumerGroup };
}

function historyIsFull(): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  return continueAsNewSuggested || historyLength > HISTORY_LIMIT;
}

function reasonOf(error: unknown): string {
  return rootCause(error) ?? 'unknown';
}
