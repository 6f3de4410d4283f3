/** What the API needs to have erasures carried out. `adapters/temporal/erasure-control.ts` implements it. */
import type { ErasureInput } from './erasure-contracts.ts';

export interface ErasureControlPort {
  /**
   * Starts the workflow of an erasure that PostgreSQL knows; started twice it is one.
   * @throws ControlUnavailableError when Temporal can't be reached
   */
  start(erasure: ErasureInput): Promise<{ workflowId: string }>;
}
