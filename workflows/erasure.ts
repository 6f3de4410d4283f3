import { ApplicationFailure, CancellationScope, log, proxyActivities, rootCause, sleep } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { erasureEndOptions, erasureOptions } from './activity-options.ts';
import type { ErasureFindings, ErasureInput, ErasureResult } from './erasure-contracts.ts';

const { suppressSubject, resolveRecords, eraseTables, eraseFailed, redactRequests, searchAgain, concludeErasure } =
  proxyActivities<Activities>(erasureOptions);
const { failErasure } = proxyActivities<Activities>(erasureEndOptions);

/** Rows can move between tables while they are looked through, and failed events can be in somebody's hands. */
export const MOST_ROUNDS = 5;

/** Between two rounds, in milliseconds: time for retries and for the maintenance of partitions to finish. */
export const ROUND_PAUSE_MS = 60_000;

/**
 * Erases a person or an organization. First nobody can write about them any more; then everything is gone through, until
 * a search over everything finds nothing. Whom it is about and what was done is in PostgreSQL; here are only ids and
 * numbers.
 */
export async function erasureWorkflow(input: ErasureInput): Promise<ErasureResult> {
  try {
    await suppressSubject(input);
    return await concludeErasure({ ...input, found: await eraseUntilNothingIsFound(input) });
  } catch (error) {
    const failure = rootCause(error) ?? 'unknown';
    log.warn('The erasure ends without a proof', { reason: failure });
    await CancellationScope.nonCancellable(() => failErasure({ ...input, failure }));
    throw error;
  }
}

async function eraseUntilNothingIsFound(input: ErasureInput): Promise<ErasureFindings> {
  for (let round = 1; ; round += 1) {
    await resolveRecords(input);
    await eraseTables(input);
    await eraseFailed(input);
    await redactRequests(input);
    const found = await searchAgain(input);
    if (found.left === 0) {
      return found;
    }
    log.warn('Something is left', { round, rows: found.left });
    if (round === MOST_ROUNDS) {
      throw ApplicationFailure.nonRetryable(
        `${found.left} rows are left after ${round} rounds: ask for the erasure again when no partition is being maintained`,
        'ErasureIncomplete',
      );
    }
    await sleep(ROUND_PAUSE_MS);
  }
}
