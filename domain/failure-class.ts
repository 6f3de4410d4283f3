/** Whether a failure may heal without a person's help, as people filter by it. */
import { FAILURES } from './failures.ts';

export const FAILURE_CLASSES = ['retryable', 'permanent'] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** The codes of failures that are tried again by themselves. */
export const RETRYABLE_CODES: readonly string[] = Object.entries(FAILURES).flatMap(([code, { retries }]) =>
  retries > 0 ? [code] : [],
);

/** @param code also one that a later version wrote, which nobody retries here */
export function failureClassOf(code: string): FailureClass {
  return RETRYABLE_CODES.includes(code) ? 'retryable' : 'permanent';
}
