import type { Client } from '@temporalio/client';
import type { AuditControlPort } from '../../workflows/audit-control-port.ts';
import { auditWorkflowId, CONTROL_TASK_QUEUE } from '../../workflows/contracts.ts';
import type { auditWorkflow } from '../../workflows/index.ts';
import { toControlError } from './control-errors.ts';

const LIMIT_MS = 5_000;

/** Audits over Temporal. The client's connection stays open; whoever made it closes it. */
export function createAuditControl({ connection, workflow }: Client): AuditControlPort {
  return {
    async start(audit) {
      const workflowId = auditWorkflowId(audit.auditId);
      try {
        await connection.withDeadline(Date.now() + LIMIT_MS, () =>
          workflow.start<typeof auditWorkflow>('auditWorkflow', {
            workflowId,
            taskQueue: CONTROL_TASK_QUEUE,
            args: [audit],
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            workflowIdConflictPolicy: 'USE_EXISTING',
            staticSummary: `Audit of ${audit.consumerGroup}`,
          }),
        );
        return { workflowId };
      } catch (error) {
        throw toControlError(error, audit.consumerGroup);
      }
    },
  };
}
