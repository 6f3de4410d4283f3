import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { BACKGROUND_TASK_QUEUE, CONTROL_TASK_QUEUE } from '../../workflows/contracts.ts';
import { MOST_ROUNDS, ROUND_PAUSE_MS } from '../../workflows/erasure.ts';
import type { ErasureFailureInput, ErasureFindings } from '../../workflows/erasure-contracts.ts';
import type { erasureWorkflow } from '../../workflows/index.ts';
import { openTimeSkipping } from './time-skipping.ts';

type ErasureActivities = Pick<
  Activities,
  | 'suppressSubject'
  | 'resolveRecords'
  | 'eraseTables'
  | 'eraseFailed'
  | 'redactRequests'
  | 'searchAgain'
  | 'concludeErasure'
  | 'failErasure'
>;

const NOTHING: ErasureFindings = { tables: 9, left: 0, held: 1, unreadable: 2 };
const ROUND = ['resolveRecords', 'eraseTables', 'eraseFailed', 'redactRequests', 'searchAgain'];

const time = openTimeSkipping();
let erasures = 0;

/** Runs an erasure over activities that a test decides on; afterwards its history must replay. */
async function runErasure(over: Partial<ErasureActivities> = {}) {
  erasures += 1;
  const calls: string[] = [];
  const inputs: unknown[] = [];
  const activities: ErasureActivities = {
    suppressSubject: async () => {},
    resolveRecords: async () => {},
    eraseTables: async () => {},
    eraseFailed: async () => {},
    redactRequests: async () => {},
    searchAgain: async () => NOTHING,
    concludeErasure: async () => ({ verdict: 'held', rows: 7 }),
    failErasure: async () => {},
    ...over,
  };
  const recorded = Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      name,
      (input: unknown) => {
        calls.push(name);
        inputs.push(input);
        return (activity as (input: unknown) => Promise<unknown>)(input);
      },
    ]),
  );
  const common = { connection: time.env.nativeConnection, shutdownForceTime: '2s' } as const;
  const { failErasure, ...steps } = recorded;
  const control = await Worker.create({
    ...common,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowBundle: time.workflowBundle,
    activities: { failErasure: failErasure as () => Promise<unknown> },
  });
  const background = await Worker.create({ ...common, taskQueue: BACKGROUND_TASK_QUEUE, activities: steps });
  const began = await time.env.currentTimeMs();
  const handle = await time.env.client.workflow.start<typeof erasureWorkflow>('erasureWorkflow', {
    workflowId: `erasure-${erasures}`,
    taskQueue: CONTROL_TASK_QUEUE,
    args: [{ erasureId: 'id' }],
  });
  const outcome = await background.runUntil(control.runUntil(handle.result().catch((error: Error) => error)));
  const took = (await time.env.currentTimeMs()) - began;
  await Worker.runReplayHistory(
    { workflowBundle: time.workflowBundle },
    await handle.fetchHistory(),
    handle.workflowId,
  );
  return { outcome, calls, inputs, took };
}

/** Finds so many rows each time, and then none. */
function finding(...left: number[]): Pick<ErasureActivities, 'searchAgain'> {
  return { searchAgain: async () => ({ ...NOTHING, left: left.shift() ?? 0 }) };
}

describe('an erasure', () => {
  it('suppresses first, erases, searches once more, and concludes with what it found', async () => {
    const { outcome, calls, inputs } = await runErasure();
    expect(outcome).toEqual({ verdict: 'held', rows: 7 });
    expect(calls).toEqual(['suppressSubject', ...ROUND, 'concludeErasure']);
    expect(inputs.at(-1)).toEqual({ erasureId: 'id', found: NOTHING });
  });

  it('goes through everything again, after a pause, for as long as the search finds something', async () => {
    const { outcome, calls, took } = await runErasure(finding(3, 1));
    expect(outcome).toMatchObject({ verdict: 'held' });
    expect(calls).toEqual(['suppressSubject', ...ROUND, ...ROUND, ...ROUND, 'concludeErasure']);
    expect(took).toBeGreaterThanOrEqual(2 * ROUND_PAUSE_MS);
  });

  it('fails rather than prove what is not so, and PostgreSQL is told', async () => {
    const failures: ErasureFailureInput[] = [];
    const { outcome, calls } = await runErasure({
      ...finding(...Array.from({ length: MOST_ROUNDS }, () => 2)),
      failErasure: async (input) => {
        failures.push(input);
      },
    });
    expect(outcome).toBeInstanceOf(Error);
    expect(calls).not.toContain('concludeErasure');
    expect(failures).toEqual([{ erasureId: 'id', failure: expect.stringContaining('2 rows are left') }]);
  });

  it('tries a step again whose server was away, however often', async () => {
    let away = 12;
    const { outcome, calls } = await runErasure({
      eraseTables: async () => {
        away -= 1;
        if (away >= 0) throw new Error('PostgreSQL is away');
      },
    });
    expect(outcome).toMatchObject({ verdict: 'held' });
    expect(calls.filter((call) => call === 'eraseTables')).toHaveLength(13);
    expect(calls.filter((call) => call === 'suppressSubject')).toHaveLength(1);
  });

  it('ends at once where PostgreSQL knows of none', async () => {
    const { outcome, calls } = await runErasure({
      suppressSubject: async () => {
        throw ApplicationFailure.nonRetryable('no erasure id is running in PostgreSQL', 'UnknownErasure');
      },
    });
    expect(outcome).toBeInstanceOf(Error);
    expect(calls).toEqual(['suppressSubject', 'failErasure']);
  });
});
