import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { beforeAll, expect } from 'vitest';
import { CONTROL_TASK_QUEUE, LANE_TASK_QUEUE, SEARCH_ATTRIBUTES } from '../../workflows/contracts.ts';
import type { ingestionWorkflow } from '../../workflows/index.ts';
import { FakeLanes, leads } from './fake-lanes.ts';
import { settingsOf } from './settings.ts';
import { openTimeSkipping } from './time-skipping.ts';

export type IngestionHandle = WorkflowHandleWithFirstExecutionRunId<typeof ingestionWorkflow>;

export interface Scenario {
  handle: IngestionHandle;
  lanes: FakeLanes;
}

export interface ScenarioOptions {
  lanes?: number;
  /** Partitions of crm.leads. */
  partitions?: number;
  prepare?(lanes: FakeLanes): void;
}

const KEYWORD = 2;

/** One time-skipping server and one bundle for the test file that calls this at its top. */
export function useWorkflows() {
  const time = openTimeSkipping();
  let scenarios = 0;

  beforeAll(async () => {
    await time.env.connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: Object.fromEntries(Object.values(SEARCH_ATTRIBUTES).map((name) => [name, KEYWORD])),
    });
  });

  /** Runs an ingestion against fake activities; afterwards its histories must replay and nothing was read twice. */
  async function runScenario(options: ScenarioOptions, test: (scenario: Scenario) => Promise<void>): Promise<void> {
    scenarios += 1;
    const partitions = Array.from({ length: options.partitions ?? 4 }, (_, partition) => partition);
    const lanes = new FakeLanes(leads(...partitions));
    options.prepare?.(lanes);
    const { lane, ...control } = lanes.activities;
    const common = {
      connection: time.env.nativeConnection,
      maxHeartbeatThrottleInterval: '100ms',
      shutdownForceTime: '2s',
    } as const;
    const workers = await Promise.all([
      Worker.create({
        ...common,
        taskQueue: CONTROL_TASK_QUEUE,
        workflowBundle: time.workflowBundle,
        activities: control,
      }),
      Worker.create({ ...common, taskQueue: LANE_TASK_QUEUE, activities: { lane } }),
    ]);
    const handle = await time.env.client.workflow.start<typeof ingestionWorkflow>('ingestionWorkflow', {
      workflowId: `scenario-${scenarios}`,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ settings: settingsOf('analytics', options.lanes ?? 2) }],
    });
    const [controlWorker, laneWorker] = workers;
    await laneWorker.runUntil(
      controlWorker.runUntil(async () => {
        try {
          await test({ handle, lanes });
        } finally {
          await latest(handle)
            .terminate()
            .catch(() => undefined);
        }
      }),
    );
    expect(lanes.readTwice).toEqual([]);
    await expectReplayable(handle);
  }

  async function expectReplayable(handle: IngestionHandle): Promise<void> {
    const { workflowId, firstExecutionRunId } = handle;
    for (const runId of new Set([firstExecutionRunId, (await latest(handle).describe()).runId])) {
      const history = await time.env.client.workflow.getHandle(workflowId, runId).fetchHistory();
      await Worker.runReplayHistory({ workflowBundle: time.workflowBundle }, history, workflowId);
    }
  }

  /** Whatever run is the latest, since an ingestion may continue as new. */
  function latest({ workflowId }: IngestionHandle) {
    return time.env.client.workflow.getHandle<typeof ingestionWorkflow>(workflowId);
  }

  return { runScenario, latest };
}
