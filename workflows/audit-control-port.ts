/** What the API needs to have audits done. `adapters/temporal/audit-control.ts` implements it. */
import type { AuditInput } from './contracts.ts';

export interface AuditControlPort {
  /**
   * Starts the workflow of an audit that PostgreSQL knows; started twice it is one.
   * @throws ControlUnavailableError when Temporal can't be reached
   */
  start(audit: AuditInput): Promise<{ workflowId: string }>;
}
