import type { DataConverter } from '@temporalio/common';
import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import type { ActivitiesByQueue } from '../../activities/index.ts';
import {
  BACKGROUND_TASK_QUEUE,
  CONTROL_TASK_QUEUE,
  LANE_TASK_QUEUE,
  REPLAY_TASK_QUEUE,
} from '../../workflows/contracts.ts';

export interface IngestionWorkersOptions {
  namespace: string;
  /** How the Temporal UI shows this process. */
  identity: string;
  /** What each task queue offers. */
  activities: { [Queue in keyof ActivitiesByQueue]: Partial<ActivitiesByQueue[Queue]> };
  /** The sources, or what `npm run build` made of them. */
  workflows: Pick<WorkerOptions, 'workflowsPath' | 'workflowBundle'>;
  /** Most lanes that this process runs at once. */
  maxLanes: number;
  /** Most lanes of replays and backfills beside them. */
  maxReplayLanes: number;
  /** With a build id the workers are versions of a deployment, and get work when theirs is the current one. */
  buildId: string | null;
  /** As that of the client. */
  dataConverter?: DataConverter;
}

/** How much of the long work beside live reading one process does at a time. */
const MAX_BACKGROUND = 2;

/** Each poll of a process that sleeps or is cut off swallows a lane until its timeout, and then the next one. */
const ONE_POLL = { type: 'simple-maximum', maximum: 1 } as const;

/** As `temporal worker deployment` names it. */
const DEPLOYMENT = 'crm-ingestion';

export interface IngestionWorkers {
  /** Works until `shutdown`, then until the activities under way have handed over. @throws when a worker fails */
  run(): Promise<void>;
  shutdown(): void;
}

/** The workers of a process: workflows and control, lanes, long work beside them, and replays, so that none starves another. */
export async function createIngestionWorkers(
  connection: NativeConnection,
  options: IngestionWorkersOptions,
): Promise<IngestionWorkers> {
  const { namespace, identity, activities, workflows, maxLanes, maxReplayLanes, buildId, dataConverter } = options;
  const { control, lanes, background, replays } = activities;
  const common: Partial<WorkerOptions> = {
    connection,
    namespace,
    identity,
    ...(dataConverter !== undefined && { dataConverter }),
    // A pause reaches a lane with the answer to a heartbeat, and has to within 2 s.
    maxHeartbeatThrottleInterval: '500ms',
    // Lanes are told at once when their worker shuts down; handing over is all they do then.
    shutdownGraceTime: 0,
    ...(buildId !== null && {
      workerDeploymentOptions: {
        version: { deploymentName: DEPLOYMENT, buildId },
        useWorkerVersioning: true,
        // An ingestion runs for ever: it goes on in the current version, which replay tests keep able to.
        defaultVersioningBehavior: 'AUTO_UPGRADE',
      },
    }),
  };
  const workers = [
    await Worker.create({
      ...common,
      ...workflows,
      taskQueue: CONTROL_TASK_QUEUE,
      activities: control,
      // How long a signal waits for a worker that died before another takes the workflow.
      stickyQueueScheduleToStartTimeout: '2s',
    }),
    await Worker.create({
      ...common,
      taskQueue: LANE_TASK_QUEUE,
      activities: lanes,
      maxConcurrentActivityTaskExecutions: maxLanes,
      activityTaskPollerBehavior: ONE_POLL,
    }),
    await Worker.create({
      ...common,
      taskQueue: BACKGROUND_TASK_QUEUE,
      activities: background,
      maxConcurrentActivityTaskExecutions: MAX_BACKGROUND,
    }),
    await Worker.create({
      ...common,
      taskQueue: REPLAY_TASK_QUEUE,
      activities: replays,
      maxConcurrentActivityTaskExecutions: maxReplayLanes,
      activityTaskPollerBehavior: ONE_POLL,
    }),
  ];
  const shutdown = () => {
    for (const worker of workers) {
      if (worker.getState() === 'RUNNING') {
        worker.shutdown();
      }
    }
  };
  return {
    async run() {
      // One without the other is of no use.
      const running = workers.map((worker) => worker.run().finally(shutdown));
      const outcomes = await Promise.allSettled(running);
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed) {
        throw failed.reason;
      }
    },
    shutdown,
  };
}
