import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { CONTROL_TASK_QUEUE } from '../../workflows/contracts.ts';
import { ControlRefusedError } from '../../workflows/control-port.ts';
import type { maintenanceWorkflow } from '../../workflows/index.ts';
import { MAINTENANCE_WORKFLOW_ID } from '../../workflows/maintenance-contracts.ts';
import type { MaintenanceControlPort } from '../../workflows/maintenance-control-port.ts';
import { toControlError } from './control-errors.ts';

const LIMIT_MS = 5_000;

/** Partition maintenance over Temporal. The client's connection stays open; whoever made it closes it. */
export function createMaintenanceControl({ connection, workflow }: Client): MaintenanceControlPort {
  return {
    async start(run) {
      try {
        await connection.withDeadline(Date.now() + LIMIT_MS, () =>
          workflow.start<typeof maintenanceWorkflow>('maintenanceWorkflow', {
            workflowId: MAINTENANCE_WORKFLOW_ID,
            taskQueue: CONTROL_TASK_QUEUE,
            args: [run],
            workflowIdReusePolicy: 'ALLOW_DUPLICATE',
            workflowIdConflictPolicy: 'FAIL',
            staticSummary: run.dryRun ? 'dry run of partition maintenance' : 'partition maintenance',
          }),
        );
      } catch (error) {
        throw error instanceof WorkflowExecutionAlreadyStartedError
          ? new ControlRefusedError('A maintenance is under way; GET …/partitions/maintenance tells when it is done.')
          : toControlError(error, MAINTENANCE_WORKFLOW_ID);
      }
    },
  };
}
