import type { Client } from '@temporalio/client';
import { CONTROL_TASK_QUEUE } from '../../workflows/contracts.ts';
import { erasureWorkflowId } from '../../workflows/erasure-contracts.ts';
import type { ErasureControlPort } from '../../workflows/erasure-control-port.ts';
import type { erasureWorkflow } from '../../workflows/index.ts';
import { toControlError } from './control-errors.ts';

const LIMIT_MS = 5_000;

/** Erasures over Temporal. The client's connection stays open; whoever made it closes it. */
export function createErasureControl({ connection, workflow }: Client): ErasureControlPort {
  return {
    async start(erasure) {
      const workflowId = erasureWorkflowId(erasure.erasureId);
      try {
        await connection.withDeadline(Date.now() + LIMIT_MS, () =>
          workflow.start<typeof erasureWorkflow>('erasureWorkflow', {
            workflowId,
            taskQueue: CONTROL_TASK_QUEUE,
            args: [erasure],
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            workflowIdConflictPolicy: 'USE_EXISTING',
            staticSummary: 'Erasure',
          }),
        );
        return { workflowId };
      } catch (error) {
        throw toControlError(error, erasure.erasureId);
      }
    },
  };
}
