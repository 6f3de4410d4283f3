import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ApplicationFailure,
  log,
  ParentClosePolicy,
  patched,
  proxyActivities,
  rootCause,
  startChild,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { sweepOptions } from './activity-options.ts';
import { parkedReplayWorkflowId, quotaReplayWorkflowId, type SweepCounts, type SweepInput } from './contracts.ts';
import { erasureWorkflow } from './erasure.ts';
import { erasureWorkflowId } from './erasure-contracts.ts';
import { parkedReplayWorkflow } from './parked-replay.ts';

const { sweepRetries, sweepPartitions, sweepParked, sweepQuotas, sweepBooks, sweepErasures } =
  proxyActivities<Activities>(sweepOptions);

/** In order. */
const STEPS: ReadonlyArray<readonly [name: string, step: (input: SweepInput) => Promise<SweepCounts>]> = [
  ['retries', sweepRetries],
  ['partitions', sweepPartitions],
  ['parked', replayReady],
  ['quotas', replayWithinQuotas],
  ['books', sweepBooks],
  ['erasures', resumeErasures],
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

/** Parked ranges are read for so long at a time, in milliseconds. */
const PARKED_SLICE_MS = 60_000;

/** Has what was parked read again where nothing speaks against it any more; one replay of a stream at a time. */
async function replayReady({ consumerGroup }: SweepInput): Promise<SweepCounts> {
  const { ready } = await sweepParked({ consumerGroup });
  const started = await startEach(ready, (stream) =>
    startChild(parkedReplayWorkflow, {
      workflowId: parkedReplayWorkflowId(consumerGroup, stream),
      args: [{ consumerGroup, ...stream, sliceMs: PARKED_SLICE_MS }],
      parentClosePolicy: ParentClosePolicy.ABANDON,
    }),
  );
  return { ready: ready.length, started };
}

/** Has what was over a quota read again where it has room; one replay of an organization and topic at a time. */
async function replayWithinQuotas({ consumerGroup }: SweepInput): Promise<SweepCounts> {
  if (!patched('sweep-quotas')) return {};
  const { ready } = await sweepQuotas({ consumerGroup });
  const started = await startEach(ready, (waiting) =>
    startChild(parkedReplayWorkflow, {
      workflowId: quotaReplayWorkflowId(consumerGroup, waiting),
      args: [{ consumerGroup, ...waiting, schemaId: 0, sliceMs: PARKED_SLICE_MS }],
      parentClosePolicy: ParentClosePolicy.ABANDON,
    }),
  );
  return { ready: ready.length, started };
}

/**
 * Starts erasures that have no workflow: the API ended before it could start it, or somebody terminated it. Each goes on
 * from what is done.
 */
async function resumeErasures(input: SweepInput): Promise<SweepCounts> {
  if (!patched('sweep-erasures')) return {};
  const { running } = await sweepErasures(input);
  const started = await startEach(running, (erasure) =>
    startChild(erasureWorkflow, {
      workflowId: erasureWorkflowId(erasure.erasureId),
      args: [erasure],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: 'Erasure',
    }),
  );
  return { running: running.length, started };
}

/** @returns how many did not run already */
async function startEach<Item>(items: readonly Item[], start: (item: Item) => Promise<unknown>): Promise<number> {
  let started = 0;
  for (const item of items) {
    try {
      await start(item);
      started += 1;
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) {
        throw error;
      }
    }
  }
  return started;
}
