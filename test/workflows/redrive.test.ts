import { ApplicationFailure } from '@temporalio/activity';
import { type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { BACKGROUND_TASK_QUEUE, CONTROL_TASK_QUEUE, type RedriveInput } from '../../workflows/contracts.ts';
import type { redriveWorkflow } from '../../workflows/index.ts';
import { REDRIVE_HISTORY_LIMIT } from '../../workflows/redrive.ts';
import {
  cancelRedriveSignal,
  pauseRedriveSignal,
  redriveProgressQuery,
  resumeRedriveSignal,
  setRateUpdate,
} from '../../workflows/redrive-messages.ts';
import { eventually } from './eventually.ts';
import { FakeRedrive } from './fake-redrive.ts';
import { openTimeSkipping } from './time-skipping.ts';

type Handle = WorkflowHandle<typeof redriveWorkflow>;

const time = openTimeSkipping();
let scenarios = 0;

/** One redrive over fake activities; every run of it must replay afterwards. */
async function redriving(
  over: Partial<RedriveInput>,
  test: (scenario: { handle: Handle; redrive: FakeRedrive; firstRunId: string }) => Promise<void>,
): Promise<void> {
  scenarios += 1;
  const workflowId = `redrive-${scenarios}`;
  const redrive = new FakeRedrive();
  const { moveRedrive, ...slices } = redrive.activities;
  const common = {
    connection: time.env.nativeConnection,
    maxHeartbeatThrottleInterval: '100ms',
    shutdownForceTime: '2s',
  } as const;
  const control = await Worker.create({
    ...common,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowBundle: time.workflowBundle,
    activities: { moveRedrive },
  });
  const background = await Worker.create({ ...common, taskQueue: BACKGROUND_TASK_QUEUE, activities: slices });
  const { firstExecutionRunId } = await time.env.client.workflow.start<typeof redriveWorkflow>('redriveWorkflow', {
    workflowId,
    taskQueue: CONTROL_TASK_QUEUE,
    args: [{ redriveId: 'r', action: 'redrive', ratePerSecond: 100, ...over }],
  });
  const handle = time.env.client.workflow.getHandle<typeof redriveWorkflow>(workflowId);
  const runs = new Set([firstExecutionRunId]);
  await background.runUntil(
    control.runUntil(async () => {
      try {
        await test({ handle, redrive, firstRunId: firstExecutionRunId });
      } finally {
        runs.add((await handle.describe()).runId);
        await handle.terminate().catch(() => undefined);
      }
    }),
  );
  for (const runId of runs) {
    const history = await time.env.client.workflow.getHandle(workflowId, runId).fetchHistory();
    await Worker.runReplayHistory({ workflowBundle: time.workflowBundle }, history, workflowId);
  }
}

const phase = async (handle: Handle) => (await handle.query(redriveProgressQuery)).phase;

describe('a redrive', () => {
  it('goes on slice after slice where the last one ended, until nothing is left', async () => {
    await redriving({}, async ({ handle, redrive }) => {
      for (const after of [0, 10, 20]) {
        await eventually(() => expect(redrive.working.map(({ input }) => input.after)).toEqual([after]));
        redrive.latest.end(10, after === 20);
      }
      expect(await handle.result()).toMatchObject({ phase: 'finished', counts: { processed: 30 } });
      expect(redrive.moves).toEqual(['running', 'finished']);
    });
  });

  it('discards where that is asked for', async () => {
    await redriving({ action: 'discard' }, async ({ handle, redrive }) => {
      await eventually(() => expect(redrive.working).toHaveLength(1));
      redrive.latest.end(3, true);
      await handle.result();
      expect(redrive.discards).toEqual([0]);
    });
  });

  it('is paused with what its slice did, and resumed behind it', async () => {
    await redriving({}, async ({ handle, redrive }) => {
      await eventually(() => expect(redrive.working).toHaveLength(1));
      await handle.signal(pauseRedriveSignal);
      await eventually(() => expect(redrive.moves).toEqual(['running', 'paused']));
      expect(await phase(handle)).toBe('paused');
      expect(redrive.working).toEqual([]);

      await handle.signal(pauseRedriveSignal);
      await handle.signal(resumeRedriveSignal);
      await eventually(() => expect(redrive.working.map(({ input }) => input.after)).toEqual([1]));
      expect(redrive.moves).toEqual(['running', 'paused', 'running']);
      expect(await phase(handle)).toBe('running');
    });
  });

  it('is cancelled by its own signal and keeps what it did', async () => {
    await redriving({}, async ({ handle, redrive }) => {
      await eventually(() => expect(redrive.working).toHaveLength(1));
      await handle.signal(cancelRedriveSignal);
      expect(await handle.result()).toMatchObject({ phase: 'cancelled', counts: { processed: 1 } });
      expect(redrive.moves).toEqual(['running', 'cancelled']);
    });
  });

  it('is cancelled from outside, and while it is paused', async () => {
    await redriving({}, async ({ handle, redrive }) => {
      await handle.signal(pauseRedriveSignal);
      await eventually(() => expect(redrive.moves).toContain('paused'));
      await handle.cancel();
      expect(await handle.result()).toMatchObject({ phase: 'cancelled' });
      expect(redrive.moves.at(-1)).toBe('cancelled');
    });
  });

  it('that is held begins when it is told to', async () => {
    const counts = { processed: 0, skipped: 0, filtered: 0, failed: 0, dead: 0, discarded: 0, leftOut: 0 };
    await redriving({ state: { after: 0, counts, paused: true, workedMs: 0 } }, async ({ handle, redrive }) => {
      await eventually(() => expect(redrive.moves).toEqual(['paused']));
      expect(redrive.slices).toEqual([]);
      await handle.signal(resumeRedriveSignal);
      await eventually(() => expect(redrive.working).toHaveLength(1));
      expect(redrive.moves).toEqual(['paused', 'running']);
    });
  });

  it('has its new rate at once', async () => {
    await redriving({}, async ({ handle, redrive }) => {
      await eventually(() => expect(redrive.working).toHaveLength(1));
      await handle.executeUpdate(setRateUpdate, { args: [7] });
      await eventually(() =>
        expect(redrive.working.map(({ input }) => input)).toMatchObject([{ after: 1, ratePerSecond: 7 }]),
      );
      expect(await handle.query(redriveProgressQuery)).toMatchObject({ ratePerSecond: 7, phase: 'running' });
    });
  });

  it.each([0, -1, 1.5, 100_001])('refuses the rate %d', async (rate) => {
    await redriving({}, async ({ handle, redrive }) => {
      await eventually(() => expect(redrive.working).toHaveLength(1));
      await expect(handle.executeUpdate(setRateUpdate, { args: [rate] })).rejects.toThrow(WorkflowUpdateFailedError);
      expect(redrive.slices).toHaveLength(1);
    });
  });

  it('tries a slice that failed again', async () => {
    await redriving({}, async ({ handle, redrive }) => {
      await eventually(() => expect(redrive.working).toHaveLength(1));
      redrive.latest.fail(new Error('the worker is gone'));
      await eventually(() => expect(redrive.working.map(({ attempt }) => attempt)).toEqual([2]));
      redrive.latest.end(5, true);
      expect(await handle.result()).toMatchObject({ counts: { processed: 5 } });
    });
  });

  it('has failed when no retry mends its slice', async () => {
    await redriving({}, async ({ handle, redrive }) => {
      await eventually(() => expect(redrive.working).toHaveLength(1));
      redrive.latest.fail(ApplicationFailure.nonRetryable('there is no redrive r', 'UnknownRedrive'));
      await expect(handle.result()).rejects.toThrow();
      expect(redrive.moves).toEqual(['running', 'failed']);
    });
  });

  it('continues as new with its place, counts and rate, and loses no pause on the way', async () => {
    await redriving({}, async ({ handle, redrive, firstRunId }) => {
      await eventually(() => expect(redrive.working).toHaveLength(1));
      await handle.executeUpdate(setRateUpdate, { args: [9] });
      await eventually(() => expect(redrive.working.map(({ input }) => input.after)).toEqual([1]));
      while ((await handle.describe()).historyLength <= REDRIVE_HISTORY_LIMIT) {
        await Promise.all(Array.from({ length: 100 }, () => handle.signal(resumeRedriveSignal)));
      }
      await handle.signal(pauseRedriveSignal);
      await eventually(async () => {
        expect((await handle.describe()).runId).not.toBe(firstRunId);
        expect(await phase(handle)).toBe('paused');
      });
      expect(await handle.query(redriveProgressQuery)).toMatchObject({ ratePerSecond: 9, counts: { processed: 2 } });
      await handle.signal(resumeRedriveSignal);
      await eventually(() => expect(redrive.working.map(({ input }) => input.after)).toEqual([2]));
      redrive.latest.end(1, true);
      expect(await handle.result()).toMatchObject({ phase: 'finished', counts: { processed: 3 } });
    });
  });
});
