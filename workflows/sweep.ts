import { ApplicationFailure, log, proxyActivities, rootCause } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { sweepOptions } from './activity-options.ts';
import type { SweepCounts, SweepInput } from './contracts.ts';

const { sweepRetries } = proxyActivities<Activities>(sweepOptions);

/** In order. */
const STEPS: ReadonlyArray<readonly [name: string, step: (input: SweepInput) => Promise<SweepCounts>]> = [
  ['retries', sweepRetries],
];

/**
 * Finds again what was forgotten or has become possible. Its steps have nothing to do with each other: one that fails
 * keeps none of the others from being done.
 * @returns what each step did
 * @throws ApplicationFailure that names the steps that failed, after all of them were tried
 */
export async function sweepWorkflow(input: SweepInput): Promise<Record<string, SweepCounts>> {
  const done: Record<string, SweepCounts> = {};
  const failed: string[] = [];
  for (const [name, step] of STEPS) {
    try {
      done[name] = await step(input);
    } catch (error) {
      const reason = rootCause(error) ?? 'unknown';
      log.warn('a step of the sweep failed', { step: name, reason });
      failed.push(`${name}: ${reason}`);
    }
  }
  if (failed.length > 0) {
    throw ApplicationFailure.nonRetryable(`sweep failed: ${failed.join('; ')}`, 'SweepFailed');
  }
  return done;
}
