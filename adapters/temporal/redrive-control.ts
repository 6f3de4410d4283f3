import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import {
  CONTROL_TASK_QUEUE,
  NO_REDRIVE_COUNTS,
  type RedriveInput,
  redriveWorkflowId,
} from '../../workflows/contracts.ts';
import type { redriveWorkflow } from '../../workflows/index.ts';
import { type RedriveControlPort, RedriveNotRunningError } from '../../workflows/redrive-control-port.ts';
import {
  cancelRedriveSignal,
  pauseRedriveSignal,
  redriveProgressQuery,
  resumeRedriveSignal,
  setRateUpdate,
} from '../../workflows/redrive-messages.ts';
import { grpcCode, toControlError } from './control-errors.ts';
import { organizationAttribute, withSearchAttributes } from './search-attributes.ts';

/** What a call may take, in milliseconds. A query and an update wait for workers. */
const LIMITS = { call: 5_000, query: 2_000, update: 10_000 };

function optionsOf({ redriveId, action }: RedriveInput, organizationId: string | null) {
  return {
    workflowId: redriveWorkflowId(redriveId),
    taskQueue: CONTROL_TASK_QUEUE,
    // What it tried is not tried again, so after one that died another goes on where PostgreSQL says.
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: `${action} of failed events`,
    typedSearchAttributes: organizationAttribute(organizationId),
  } as const;
}

/** Redrives over Temporal; the client is closed by whoever opened it. */
export function createRedriveControl(client: Client): RedriveControlPort {
  const { connection, workflow, options } = client;
  const handleOf = (redriveId: string) => workflow.getHandle<typeof redriveWorkflow>(redriveWorkflowId(redriveId));

  /** Does something within a limit, with its errors in the port's terms. */
  async function ask<Result>(redriveId: string, limitMs: number, call: () => Promise<Result>): Promise<Result> {
    try {
      return await connection.withDeadline(Date.now() + limitMs, call);
    } catch (error) {
      throw error instanceof WorkflowNotFoundError
        ? new RedriveNotRunningError(redriveId)
        : toControlError(error, redriveId);
    }
  }

  /** Starts a workflow, or has it go on. */
  async function begin(redriveId: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await withSearchAttributes(client, options.namespace, () =>
        connection.withDeadline(Date.now() + LIMITS.call, call),
      );
    } catch (error) {
      throw toControlError(error, redriveId);
    }
  }

  return {
    async hold(redrive, organizationId) {
      await begin(redrive.redriveId, () =>
        workflow.start<typeof redriveWorkflow>('redriveWorkflow', {
          ...optionsOf(redrive, organizationId),
          args: [{ ...redrive, state: { after: 0, counts: NO_REDRIVE_COUNTS, paused: true, workedMs: 0 } }],
        }),
      );
    },

    async run(redrive, organizationId) {
      await begin(redrive.redriveId, () =>
        workflow.signalWithStart<typeof redriveWorkflow>('redriveWorkflow', {
          ...optionsOf(redrive, organizationId),
          args: [redrive],
          signal: resumeRedriveSignal,
        }),
      );
    },

    pause: (redriveId) => ask(redriveId, LIMITS.call, () => handleOf(redriveId).signal(pauseRedriveSignal)),

    cancel: (redriveId) => ask(redriveId, LIMITS.call, () => handleOf(redriveId).signal(cancelRedriveSignal)),

    setRate: (redriveId, ratePerSecond) =>
      ask(redriveId, LIMITS.update, () => handleOf(redriveId).executeUpdate(setRateUpdate, { args: [ratePerSecond] })),

    async progress(redriveId) {
      try {
        return await connection.withDeadline(Date.now() + LIMITS.query, () =>
          handleOf(redriveId).query(redriveProgressQuery),
        );
      } catch {
        return null;
      }
    },

    async ended(redriveId, waitMs) {
      try {
        await connection.withDeadline(Date.now() + waitMs, () => handleOf(redriveId).result());
        return true;
      } catch (error) {
        if (grpcCode(error) === 'DEADLINE_EXCEEDED') return false;
        throw toControlError(error, redriveId);
      }
    },
  };
}
