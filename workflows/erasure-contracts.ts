/** Names and shapes of erasures; see contracts.ts on what may be here. Whom one is about is in PostgreSQL alone. */

/** One workflow for each request. */
export function erasureWorkflowId(erasureId: string): string {
  return `crm-erasure:${erasureId}`;
}

export interface ErasureInput {
  erasureId: string;
}

/** What a search over everything found, in numbers. */
export interface ErasureFindings {
  tables: number;
  left: number;
  held: number;
  unreadable: number;
}

export interface ErasureConclusionInput extends ErasureInput {
  found: ErasureFindings;
}

export interface ErasureFailureInput extends ErasureInput {
  /** Safe to show. */
  failure: string;
}

export interface ErasureResult {
  /** `held`: a legal hold keeps some rows. */
  verdict: 'erased' | 'held';
  /** Rows that were deleted, pseudonymized or emptied. */
  rows: number;
}

/** What a pass over the tables heartbeats: the next attempt goes on from there. */
export interface ErasureCheckpoint {
  /** PostgreSQL's number of the table. */
  table: number;
  block: number;
}

/** Error types that no retry can mend. */
export const ERASURE_NON_RETRYABLE = ['UnknownErasure'] as const;
