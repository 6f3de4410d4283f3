import { type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { BACKGROUND_TASK_QUEUE, CONTROL_TASK_QUEUE, REPLAY_TASK_QUEUE } from '../../workflows/contracts.ts';
import type { replayWorkflow } from '../../workflows/index.ts';
import { REPLAY_HISTORY_LIMIT } from '../../workflows/replay.ts';
import type { ReplayInput } from '../../workflows/replay-contracts.ts';
import {
  cancelReplaySignal,
  pauseReplaySignal,
  replayProgressQuery,
  resumeReplaySignal,
  setSpeedUpdate,
} from '../../workflows/replay-messages.ts';
import { eventually } from './eventually.ts';
import { FakeReplay, unmendable } from './fake-replay.ts';
import { openTimeSkipping } from './time-skipping.ts';

type Handle = WorkflowHandle<typeof replayWorkflow>;

const time = openTimeSkipping();
let scenarios = 0;

interface Scenario {
  handle: Handle;
  replay: FakeReplay;
  firstRunId: string;
}

/** One replay of so many parts over fake activities; every run of it must replay afterwards. */
async function replaying(
  { parts = 3, prepare, ...over }: Partial<ReplayInput> & { parts?: number; prepare?: (replay: FakeReplay) => void },
  test: (scenario: Scenario) => Promise<void>,
): Promise<void> {
  scenarios += 1;
  const workflowId = `replay-${scenarios}`;
  const replay = new FakeReplay(parts);
  prepare?.(replay);
  const { moveReplay, planReplay, replaySlice } = replay.activities;
  const common = {
    connection: time.env.nativeConnection,
    maxHeartbeatThrottleInterval: '100ms',
    shutdownForceTime: '2s',
  } as const;
  const control = await Worker.create({
    ...common,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowBundle: time.workflowBundle,
    activities: { moveReplay },
  });
  const background = await Worker.create({ ...common, taskQueue: BACKGROUND_TASK_QUEUE, activities: { planReplay } });
  const lanes = await Worker.create({ ...common, taskQueue: REPLAY_TASK_QUEUE, activities: { replaySlice } });
  const { firstExecutionRunId } = await time.env.client.workflow.start<typeof replayWorkflow>('replayWorkflow', {
    workflowId,
    taskQueue: CONTROL_TASK_QUEUE,
    args: [{ replayId: 'r', consumerGroup: 'analytics', lanes: 2, ratePerSecond: null, ...over }],
  });
  const handle = time.env.client.workflow.getHandle<typeof replayWorkflow>(workflowId);
  const runs = new Set([firstExecutionRunId]);
  await lanes.runUntil(
    background.runUntil(
      control.runUntil(async () => {
        try {
          await test({ handle, replay, firstRunId: firstExecutionRunId });
        } finally {
          runs.add((await handle.describe()).runId);
          await handle.terminate().catch(() => undefined);
        }
      }),
    ),
  );
  for (const runId of runs) {
    const history = await time.env.client.workflow.getHandle(workflowId, runId).fetchHistory();
    await Worker.runReplayHistory({ workflowBundle: time.workflowBundle }, history, workflowId);
  }
}

const phase = async (handle: Handle) => (await handle.query(replayProgressQuery)).phase;
const reads = (replay: FakeReplay, ...parts: number[]) =>
  eventually(() => expect(replay.reading.toSorted((a, b) => a - b)).toEqual(parts));
const movesOf = (replay: FakeReplay) => replay.moves.map(({ to }) => to);

describe('a replay', () => {
  it('keeps as many parts being read as it has lanes, until all of them are', async () => {
    await replaying({}, async ({ handle, replay }) => {
      await reads(replay, 0, 1);
      replay.of(1).end(10, true);
      await reads(replay, 0, 2);
      replay.of(0).end(20, true);
      await reads(replay, 2);
      await eventually(async () =>
        expect(await handle.query(replayProgressQuery)).toMatchObject({ phase: 'running', parts: 3, finished: 2 }),
      );
      replay.of(2).end(5, true);
      expect(await handle.result()).toMatchObject({ phase: 'finished', finished: 3, totals: { stored: 35 } });
      expect(movesOf(replay)).toEqual(['running', 'finished']);
    });
  });

  it('goes on with a part whose slice is over before it begins another', async () => {
    await replaying({ lanes: 1 }, async ({ handle, replay }) => {
      for (const part of [0, 0, 1, 2]) {
        await reads(replay, part);
        replay.of(part).end(1, replay.slices.length > 1);
      }
      expect(await handle.result()).toMatchObject({ totals: { stored: 4 } });
    });
  });

  it('of nothing is finished at once', async () => {
    await replaying({ parts: 0 }, async ({ handle, replay }) => {
      expect(await handle.result()).toMatchObject({ phase: 'finished', parts: 0 });
      expect(movesOf(replay)).toEqual(['running', 'finished']);
      expect(replay.slices).toEqual([]);
    });
  });

  it('shares its rate among the lanes that have something to read', async () => {
    await replaying({ lanes: 4, ratePerSecond: 900, parts: 3 }, async ({ replay }) => {
      await reads(replay, 0, 1, 2);
      expect(replay.working.map(({ input }) => input.ratePerSecond)).toEqual([300, 300, 300]);
    });
  });

  it('is paused with what its slices did, and resumed where they ended', async () => {
    await replaying({}, async ({ handle, replay }) => {
      await reads(replay, 0, 1);
      await handle.signal(pauseReplaySignal);
      await eventually(() => expect(movesOf(replay)).toEqual(['running', 'paused']));
      expect(await handle.query(replayProgressQuery)).toMatchObject({ phase: 'paused', totals: { stored: 2 } });
      expect(replay.working).toEqual([]);
      await handle.signal(pauseReplaySignal);
      await handle.signal(resumeReplaySignal);
      await reads(replay, 0, 1);
      expect(movesOf(replay)).toEqual(['running', 'paused', 'running']);
      expect(await phase(handle)).toBe('running');
    });
  });

  it('is cancelled by its own signal, and from outside while it is paused', async () => {
    await replaying({}, async ({ handle, replay }) => {
      await reads(replay, 0, 1);
      await handle.signal(cancelReplaySignal);
      expect(await handle.result()).toMatchObject({ phase: 'cancelled', totals: { stored: 2 } });
      expect(movesOf(replay)).toEqual(['running', 'cancelled']);
    });
    await replaying({}, async ({ handle, replay }) => {
      await handle.signal(pauseReplaySignal);
      await eventually(() => expect(movesOf(replay)).toContain('paused'));
      await handle.cancel();
      expect(await handle.result()).toMatchObject({ phase: 'cancelled' });
      expect(movesOf(replay).at(-1)).toBe('cancelled');
    });
  });

  it('has its new speed at once, and no speed that it can not keep', async () => {
    await replaying({ parts: 9 }, async ({ handle, replay }) => {
      await reads(replay, 0, 1);
      await handle.executeUpdate(setSpeedUpdate, { args: [{ lanes: 3, ratePerSecond: 30 }] });
      await eventually(() => expect(replay.working.map(({ input }) => input.ratePerSecond)).toEqual([10, 10, 10]));
      await reads(replay, 0, 1, 2);
      expect(await handle.query(replayProgressQuery)).toMatchObject({ lanes: 3, ratePerSecond: 30 });
      await handle.executeUpdate(setSpeedUpdate, { args: [{ lanes: 1, ratePerSecond: null }] });
      await reads(replay, 0);
      for (const bad of [
        { lanes: 0, ratePerSecond: 1 },
        { lanes: 65, ratePerSecond: 1 },
        { lanes: 1.5, ratePerSecond: 1 },
        { lanes: 1, ratePerSecond: 0 },
        { lanes: 1, ratePerSecond: 0.5 },
        { lanes: 1, ratePerSecond: 1_000_001 },
      ]) {
        await expect(handle.executeUpdate(setSpeedUpdate, { args: [bad] })).rejects.toThrow(WorkflowUpdateFailedError);
      }
      await reads(replay, 0);
    });
  });

  it('reads a part again whose slice failed', async () => {
    await replaying({ parts: 1 }, async ({ handle, replay }) => {
      await reads(replay, 0);
      replay.of(0).fail(new Error('the worker is gone'));
      await eventually(() => expect(replay.working.map(({ attempt }) => attempt)).toEqual([2]));
      replay.of(0).end(5, true);
      expect(await handle.result()).toMatchObject({ totals: { stored: 5 } });
    });
  });

  it('has failed when a part can never be read, after its other slices have handed over', async () => {
    await replaying({}, async ({ handle, replay }) => {
      await reads(replay, 0, 1);
      replay.of(1).fail(unmendable('LogReplaced'));
      await expect(handle.result()).rejects.toThrow();
      expect(replay.working).toEqual([]);
      expect(replay.moves.at(-1)).toEqual({ to: 'failed', reason: 'it is LogReplaced' });
    });
  });
});

describe('planning', () => {
  const never = () => new Promise<never>(() => {});

  it('that is refused ends the replay with the reason', async () => {
    const prepare = (replay: FakeReplay) => {
      replay.plan = () => Promise.reject(unmendable('InvalidSelection'));
    };
    await replaying({ prepare }, async ({ handle, replay }) => {
      await expect(handle.result()).rejects.toThrow();
      expect(replay.moves).toEqual([{ to: 'failed', reason: 'it is InvalidSelection' }]);
    });
  });

  it('can be cancelled', async () => {
    const prepare = (replay: FakeReplay) => {
      replay.plan = never;
    };
    await replaying({ prepare }, async ({ handle, replay }) => {
      expect(await phase(handle)).toBe('planning');
      await handle.signal(cancelReplaySignal);
      expect(await handle.result()).toMatchObject({ phase: 'cancelled', parts: 0 });
      expect(movesOf(replay)).toEqual(['cancelled']);
    });
  });

  it('takes a pause that comes meanwhile', async () => {
    const planned = Promise.withResolvers<{ parts: number }>();
    const prepare = (replay: FakeReplay) => {
      replay.plan = () => planned.promise;
    };
    await replaying({ prepare }, async ({ handle, replay }) => {
      await handle.signal(pauseReplaySignal);
      planned.resolve({ parts: 1 });
      await eventually(async () => expect(await phase(handle)).toBe('paused'));
      expect(replay.slices).toEqual([]);
      await handle.signal(resumeReplaySignal);
      await reads(replay, 0);
    });
  });
});

describe('a long replay', () => {
  it('continues as new with its place, counts and speed, and loses no pause on the way', async () => {
    await replaying({ parts: 2 }, async ({ handle, replay, firstRunId }) => {
      await reads(replay, 0, 1);
      await handle.executeUpdate(setSpeedUpdate, { args: [{ lanes: 2, ratePerSecond: 8 }] });
      replay.of(1).end(4, true);
      while ((await handle.describe()).historyLength <= REPLAY_HISTORY_LIMIT) {
        await Promise.all(Array.from({ length: 100 }, () => handle.signal(resumeReplaySignal)));
      }
      await handle.signal(pauseReplaySignal);
      await eventually(async () => {
        expect((await handle.describe()).runId).not.toBe(firstRunId);
        expect(await phase(handle)).toBe('paused');
      });
      expect(await handle.query(replayProgressQuery)).toMatchObject({ ratePerSecond: 8, parts: 2, finished: 1 });
      await handle.signal(resumeReplaySignal);
      await reads(replay, 0);
      replay.of(0).end(3, true);
      expect(await handle.result()).toMatchObject({ phase: 'finished', finished: 2 });
    });
  });

  it('is cancelled when it is told so while its slices hand over to the next run', async () => {
    await replaying({ parts: 1 }, async ({ handle, replay, firstRunId }) => {
      await reads(replay, 0);
      const asked = Promise.withResolvers<void>();
      const told = Promise.withResolvers<void>();
      replay.handOver = () => {
        asked.resolve();
        return told.promise;
      };
      while ((await handle.describe()).historyLength <= REPLAY_HISTORY_LIMIT) {
        await Promise.all(Array.from({ length: 100 }, () => handle.signal(resumeReplaySignal)));
      }
      await asked.promise;
      await handle.signal(cancelReplaySignal);
      await eventually(async () => expect(await phase(handle)).toBe('cancelling'));
      told.resolve();
      expect(await handle.result()).toMatchObject({ phase: 'cancelled' });
      expect((await handle.describe()).runId).toBe(firstRunId);
    });
  });

  it('has no more lanes than events that it may read in a second', async () => {
    await replaying({ parts: 4, lanes: 4, ratePerSecond: 2 }, async ({ handle, replay }) => {
      await reads(replay, 0, 1);
      expect(replay.working.map(({ input }) => input.ratePerSecond)).toEqual([1, 1]);
      await handle.signal(cancelReplaySignal);
      expect(await handle.result()).toMatchObject({ phase: 'cancelled' });
    });
  });
});
