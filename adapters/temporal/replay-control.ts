import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { CONTROL_TASK_QUEUE } from '../../workflows/contracts.ts';
import type { replayWorkflow } from '../../workflows/index.ts';
import { replayWorkflowId } from '../../workflows/replay-contracts.ts';
import { type ReplayControlPort, ReplayNotRunningError } from '../../workflows/replay-control-port.ts';
import {
  cancelReplaySignal,
  pauseReplaySignal,
  replayProgressQuery,
  resumeReplaySignal,
  setSpeedUpdate,
} from '../../workflows/replay-messages.ts';
import { toControlError } from './control-errors.ts';

/** What a call may take, in milliseconds. A query and an update wait for workers. */
const LIMITS = { call: 5_000, query: 2_000, update: 10_000 };

/** Replays over Temporal; the client is closed by whoever opened it. */
export function createReplayControl({ connection, workflow }: Client): ReplayControlPort {
  const handleOf = (replayId: string) => workflow.getHandle<typeof replayWorkflow>(replayWorkflowId(replayId));

  /** Does something within a limit, with its errors in the port's terms. */
  async function ask<Result>(replayId: string, limitMs: number, call: () => Promise<Result>): Promise<Result> {
    try {
      return await connection.withDeadline(Date.now() + limitMs, call);
    } catch (error) {
      throw error instanceof WorkflowNotFoundError
        ? new ReplayNotRunningError(replayId)
        : toControlError(error, replayId);
    }
  }

  return {
    async run(replay) {
      const { replayId } = replay;
      await ask(replayId, LIMITS.call, () =>
        workflow.signalWithStart<typeof replayWorkflow>('replayWorkflow', {
          workflowId: replayWorkflowId(replayId),
          taskQueue: CONTROL_TASK_QUEUE,
          // Its parts stand where PostgreSQL says, so after one that died another goes on there.
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          staticSummary: 'replay or backfill of CRM events',
          args: [replay],
          signal: resumeReplaySignal,
        }),
      );
    },

    pause: (replayId) => ask(replayId, LIMITS.call, () => handleOf(replayId).signal(pauseReplaySignal)),

    cancel: (replayId) => ask(replayId, LIMITS.call, () => handleOf(replayId).signal(cancelReplaySignal)),

    setSpeed: (replayId, speed) =>
      ask(replayId, LIMITS.update, () => handleOf(replayId).executeUpdate(setSpeedUpdate, { args: [speed] })),

    async progress(replayId) {
      try {
        return await connection.withDeadline(Date.now() + LIMITS.query, () =>
          handleOf(replayId).query(replayProgressQuery),
        );
      } catch {
        return null;
      }
    },
  };
}
