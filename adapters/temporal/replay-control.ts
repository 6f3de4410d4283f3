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
import { organizationAttribute, withSearchAttributes } from './search-attributes.ts';

/** What a call may take, in milliseconds. A query and an update wait for workers. */
const LIMITS = { call: 5_000, query: 2_000, update: 10_000 };

/** Replays over Temporal; the client is closed by whoever opened it. */
export function createReplayControl(client: Client): ReplayControlPort {
  const { connection, workflow, options } = client;
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

  /** Starts a workflow, or has it go on. */
  async function begin(replayId: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await withSearchAttributes(client, options.namespace, () =>
        connection.withDeadline(Date.now() + LIMITS.call, call),
      );
    } catch (error) {
      throw toControlError(error, replayId);
    }
  }

  return {
    async run(replay, organizationId) {
      const { replayId } = replay;
      await begin(replayId, () =>
        workflow.signalWithStart<typeof replayWorkflow>('replayWorkflow', {
          workflowId: replayWorkflowId(replayId),
          taskQueue: CONTROL_TASK_QUEUE,
          // Its parts stand where PostgreSQL says, so after one that died another goes on there.
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          staticSummary: 'replay or backfill of CRM events',
          typedSearchAttributes: organizationAttribute(organizationId),
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
