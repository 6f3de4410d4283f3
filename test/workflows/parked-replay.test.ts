import { Worker } from '@temporalio/worker';
import { expect, it } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import {
  BACKGROUND_TASK_QUEUE,
  CONTROL_TASK_QUEUE,
  NO_TOTALS,
  type ParkedReplayInput,
  parkedReplayWorkflowId,
} from '../../workflows/contracts.ts';
import type { parkedReplayWorkflow, sweepWorkflow } from '../../workflows/index.ts';
import { openTimeSkipping } from './time-skipping.ts';

const STREAM = { topic: 'crm.leads', schemaId: 7 };
const WORKFLOW_ID = parkedReplayWorkflowId('group', STREAM);

const time = openTimeSkipping();

/** Sweeps that find the stream ready, and a replay whose slices end as told. */
async function withSweeps(
  replayParked: (input: ParkedReplayInput, slice: number) => Awaited<ReturnType<Activities['replayParked']>>,
  test: (run: { sweep(): Promise<Record<string, unknown>>; calls: string[] }) => Promise<void>,
) {
  const calls: string[] = [];
  let slices = 0;
  let sweeps = 0;
  const connection = time.env.nativeConnection;
  const control: Partial<Activities> = {
    sweepRetries: async () => ({ due: 0, enqueued: 0 }),
    sweepBooks: async () => ({ folded: 0 }),
    sweepErasures: async () => ({ running: [] }),
    sweepPartitions: async () => ({ made: 0 }),
    sweepParked: async () => ({ ready: [STREAM] }),
    sweepQuotas: async () => ({ ready: [] }),
    startParkedRun: async ({ runId }) => {
      calls.push(`start ${runId}`);
    },
    finishRun: async ({ runId }) => {
      calls.push(`finish ${runId}`);
    },
  };
  const background: Partial<Activities> = {
    replayParked: async (input) => {
      slices += 1;
      calls.push(`slice ${input.topic} ${input.schemaId}`);
      return replayParked(input, slices);
    },
  };
  const workers = await Promise.all([
    Worker.create({
      connection,
      taskQueue: CONTROL_TASK_QUEUE,
      workflowBundle: time.workflowBundle,
      activities: control,
    }),
    Worker.create({ connection, taskQueue: BACKGROUND_TASK_QUEUE, activities: background }),
  ]);
  const sweep = () => {
    sweeps += 1;
    return time.env.client.workflow.execute<typeof sweepWorkflow>('sweepWorkflow', {
      workflowId: `sweep-${sweeps}-${Math.random()}`,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ consumerGroup: 'group' }],
    });
  };
  const [first, second] = workers;
  await second.runUntil(first.runUntil(() => test({ sweep, calls })));
  const history = await time.env.client.workflow.getHandle(WORKFLOW_ID).fetchHistory();
  await Worker.runReplayHistory({ workflowBundle: time.workflowBundle }, history, WORKFLOW_ID);
}

const replayed = () => time.env.client.workflow.getHandle<typeof parkedReplayWorkflow>(WORKFLOW_ID).result();

it('reads slice after slice under one run until nothing is left', async () => {
  await withSweeps(
    (_, slice) => ({ finished: slice === 3, totals: { ...NO_TOTALS, stored: 10 } }),
    async ({ sweep, calls }) => {
      expect(await sweep()).toMatchObject({ parked: { ready: 1, started: 1 } });
      expect(await replayed()).toMatchObject({ stored: 30 });
      const [started, ...rest] = calls;
      expect(rest).toEqual([...Array(3).fill('slice crm.leads 7'), started?.replace('start', 'finish')]);
    },
  );
});

it('is not started a second time while it runs', async () => {
  await withSweeps(
    () => ({ finished: true, totals: NO_TOTALS }),
    async ({ sweep }) => {
      const [first, second] = [await sweep(), await sweep()];
      expect([first.parked, second.parked]).toEqual([
        { ready: 1, started: 1 },
        { ready: 1, started: 0 },
      ]);
      await replayed();
    },
  );
});

it('goes on as new with its totals long before the history is full', async () => {
  await withSweeps(
    (_, slice) => ({ finished: slice === 201, totals: { ...NO_TOTALS, stored: 1 } }),
    async ({ sweep }) => {
      await sweep();
      expect(await replayed()).toMatchObject({ stored: 201 });
      const { historyLength } = await time.env.client.workflow.getHandle(WORKFLOW_ID).describe();
      expect(historyLength).toBeLessThan(2_000);
    },
  );
});
