import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { expect, it } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { CONTROL_TASK_QUEUE, quotaReplayWorkflowId } from '../../workflows/contracts.ts';
import { erasureWorkflowId } from '../../workflows/erasure-contracts.ts';
import type { erasureWorkflow, sweepWorkflow } from '../../workflows/index.ts';
import { openTimeSkipping } from './time-skipping.ts';

type Steps = Pick<
  Activities,
  | 'sweepRetries'
  | 'sweepPartitions'
  | 'sweepParked'
  | 'sweepQuotas'
  | 'sweepBooks'
  | 'sweepErasures'
  | 'suppressSubject'
  | 'failErasure'
>;

const time = openTimeSkipping();
let sweeps = 0;

/** One sweep over steps that do as told; its history must replay. */
async function sweep(steps: Partial<Steps>) {
  sweeps += 1;
  const workflowId = `sweep-${sweeps}`;
  const activities: Steps = {
    sweepRetries: async () => ({ due: 3, enqueued: 3 }),
    sweepPartitions: async () => ({ made: 0 }),
    sweepParked: async () => ({ ready: [] }),
    sweepQuotas: async () => ({ ready: [] }),
    sweepBooks: async () => ({ folded: 0 }),
    sweepErasures: async () => ({ running: [] }),
    suppressSubject: async () => {
      throw ApplicationFailure.nonRetryable('the test needs no more');
    },
    failErasure: async () => {},
    ...steps,
  };
  const worker = await Worker.create({
    connection: time.env.nativeConnection,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowBundle: time.workflowBundle,
    activities,
  });
  const result = await worker.runUntil(
    time.env.client.workflow
      .execute<typeof sweepWorkflow>('sweepWorkflow', {
        workflowId,
        taskQueue: CONTROL_TASK_QUEUE,
        args: [{ consumerGroup: 'group' }],
      })
      .catch((error: unknown) => error),
  );
  const history = await time.env.client.workflow.getHandle(workflowId).fetchHistory();
  await Worker.runReplayHistory({ workflowBundle: time.workflowBundle }, history, workflowId);
  return { result, events: history.events?.length ?? 0 };
}

it('tells what each step did, in few events of history', async () => {
  const { result, events } = await sweep({});
  expect(result).toMatchObject({ retries: { due: 3, enqueued: 3 } });
  expect(events).toBeLessThan(50);
});

it('does the steps after one that fails, and says which failed', async () => {
  let parkedSwept = 0;
  const { result } = await sweep({
    sweepRetries: async () => {
      throw ApplicationFailure.nonRetryable('Redis does not answer');
    },
    sweepParked: async () => {
      parkedSwept += 1;
      return { ready: [] };
    },
  });
  expect(parkedSwept).toBe(1);
  expect(result).toBeInstanceOf(WorkflowFailedError);
  expect((result as WorkflowFailedError).cause?.message).toBe('sweep failed: retries: Redis does not answer');
});

it('tries a step again that fails for a moment, and not for ever', async () => {
  let tries = 0;
  const { result } = await sweep({
    sweepRetries: async () => {
      tries += 1;
      throw new Error('Redis does not answer');
    },
  });
  expect(tries).toBe(3);
  expect(result).toBeInstanceOf(WorkflowFailedError);
});

it('has what waits of organizations read again, each in a workflow of its own', async () => {
  const ready = ['org-1', 'org-2'].map((organizationId) => ({ topic: 'crm.leads', organizationId }));
  const { result } = await sweep({ sweepQuotas: async () => ({ ready }) });
  expect(result).toMatchObject({ quotas: { ready: 2, started: 2 } });
  for (const waiting of ready) {
    const replay = time.env.client.workflow.getHandle(quotaReplayWorkflowId('group', waiting));
    expect((await replay.describe()).type).toBe('parkedReplayWorkflow');
    await replay.terminate();
  }
});

it('starts an erasure whose workflow is missing or was terminated, and leaves one that runs', async () => {
  const { client } = time.env;
  const start = (erasureId: string) =>
    client.workflow.start<typeof erasureWorkflow>('erasureWorkflow', {
      workflowId: erasureWorkflowId(erasureId),
      taskQueue: 'nobody-works-here',
      args: [{ erasureId }],
    });
  const runs = await start('runs');
  await (await start('terminated')).terminate();
  const { result } = await sweep({
    sweepErasures: async () => ({ running: ['missing', 'terminated', 'runs'].map((erasureId) => ({ erasureId })) }),
  });
  expect(result).toMatchObject({ erasures: { running: 3, started: 2 } });
  const stateOf = async (erasureId: string) =>
    (await client.workflow.getHandle(erasureWorkflowId(erasureId)).describe()).status.name;
  expect(await stateOf('missing')).not.toBe('TERMINATED');
  expect(await stateOf('terminated')).not.toBe('TERMINATED');
  await runs.terminate();
});
