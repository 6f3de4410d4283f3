import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import {
  defineSearchAttributeKey,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/common';
import {
  CONTROL_TASK_QUEUE,
  type IngestionSettings,
  type IngestionStatus,
  ingestionWorkflowId,
  SEARCH_ATTRIBUTES,
} from '../../workflows/contracts.ts';
import { ControlUnavailableError, type IngestionControlPort, type StartOutcome } from '../../workflows/control-port.ts';
import type { ingestionWorkflow } from '../../workflows/index.ts';
import {
  pauseSignal,
  resumeSignal,
  seekUpdate,
  setLanesUpdate,
  statusQuery,
  stopSignal,
} from '../../workflows/messages.ts';
import { grpcCode, toControlError } from './control-errors.ts';
import { neverStarted, reportOf } from './report.ts';
import { withSearchAttributes } from './search-attributes.ts';

/** What a call may take, in milliseconds. A query and a result wait for workers, an update for lanes to hand over. */
const LIMITS = { call: 5_000, query: 2_000, update: 30_000, stop: 10_000 };

const CONSUMER_GROUP = defineSearchAttributeKey(SEARCH_ATTRIBUTES.consumerGroup, 'KEYWORD');

/** The control plane over Temporal. Closing it closes the client's connection. */
export function createIngestionControl(client: Client, namespace: string): IngestionControlPort {
  const { connection, workflow } = client;

  const handleOf = (consumerGroup: string) =>
    workflow.getHandle<typeof ingestionWorkflow>(ingestionWorkflowId(consumerGroup));

  /** Does something within a limit, with its errors in the port's terms. */
  async function ask<Result>(consumerGroup: string, limitMs: number, call: () => Promise<Result>): Promise<Result> {
    try {
      return await connection.withDeadline(Date.now() + limitMs, call);
    } catch (error) {
      throw toControlError(error, consumerGroup);
    }
  }

  async function startOnce(settings: IngestionSettings): Promise<StartOutcome> {
    const workflowId = ingestionWorkflowId(settings.consumerGroup);
    try {
      const { firstExecutionRunId } = await connection.withDeadline(Date.now() + LIMITS.call, () =>
        workflow.start<typeof ingestionWorkflow>('ingestionWorkflow', {
          workflowId,
          taskQueue: CONTROL_TASK_QUEUE,
          args: [{ settings }],
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          workflowIdConflictPolicy: 'FAIL',
          typedSearchAttributes: [{ key: CONSUMER_GROUP, value: settings.consumerGroup }],
          memo: { topics: settings.topics },
          staticSummary: `CRM events of ${settings.consumerGroup}`,
        }),
      );
      return { workflowId, runId: firstExecutionRunId, started: true };
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) {
        throw error;
      }
      const { raw } = await handleOf(settings.consumerGroup).describe();
      return { workflowId, runId: raw.workflowExecutionInfo?.firstRunId ?? '', started: false };
    }
  }

  /** Whether it ended, at the latest after the time given. */
  async function ended(consumerGroup: string, waitMs: number): Promise<boolean> {
    try {
      await connection.withDeadline(Date.now() + waitMs, () => handleOf(consumerGroup).result());
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) {
        return true;
      }
      if (grpcCode(error) === 'DEADLINE_EXCEEDED') {
        return false;
      }
      throw toControlError(error, consumerGroup);
    }
  }

  /** What the workflow says, or null when no worker answers. */
  async function statusOf({ workflowId, status }: WorkflowExecutionDescription): Promise<IngestionStatus | null> {
    const handle = workflow.getHandle<typeof ingestionWorkflow>(workflowId);
    try {
      return await connection.withDeadline(Date.now() + LIMITS.query, () =>
        status.name === 'COMPLETED' ? handle.result() : handle.query(statusQuery),
      );
    } catch {
      return null;
    }
  }

  return {
    async start(settings) {
      const { consumerGroup } = settings;
      try {
        const outcome = await withSearchAttributes(client, namespace, () => startOnce(settings));
        if (outcome.started || (await this.status(consumerGroup)).phase !== 'stopping') {
          return outcome;
        }
        if (!(await ended(consumerGroup, LIMITS.stop))) {
          throw new ControlUnavailableError('the ingestion is still stopping: start it again once it has stopped');
        }
        return await startOnce(settings);
      } catch (error) {
        throw toControlError(error, consumerGroup);
      }
    },

    async stop(consumerGroup, { waitMs = LIMITS.stop } = {}) {
      try {
        await connection.withDeadline(Date.now() + LIMITS.call, () => handleOf(consumerGroup).signal(stopSignal));
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) {
          return { stopped: true };
        }
        throw toControlError(error, consumerGroup);
      }
      return { stopped: await ended(consumerGroup, waitMs) };
    },

    pause: (consumerGroup) => ask(consumerGroup, LIMITS.call, () => handleOf(consumerGroup).signal(pauseSignal)),

    resume: (consumerGroup) => ask(consumerGroup, LIMITS.call, () => handleOf(consumerGroup).signal(resumeSignal)),

    setLanes: (consumerGroup, lanes) =>
      ask(consumerGroup, LIMITS.update, () => handleOf(consumerGroup).executeUpdate(setLanesUpdate, { args: [lanes] })),

    seek: (consumerGroup, request) =>
      ask(consumerGroup, LIMITS.update, () => handleOf(consumerGroup).executeUpdate(seekUpdate, { args: [request] })),

    async status(consumerGroup) {
      try {
        const description = await connection.withDeadline(Date.now() + LIMITS.query, () =>
          handleOf(consumerGroup).describe(),
        );
        const { payloadCodecs } = workflow.options.loadedDataConverter;
        // Awaited here, so that what goes wrong is caught.
        return await reportOf(description, await statusOf(description), payloadCodecs);
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) {
          return neverStarted(ingestionWorkflowId(consumerGroup));
        }
        throw toControlError(error, consumerGroup);
      }
    },

    async health() {
      const asked = performance.now();
      await ask('', LIMITS.query, () => connection.workflowService.describeNamespace({ namespace }));
      return { latencyMs: performance.now() - asked };
    },

    close: () => connection.close(),
  };
}
