import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { BACKGROUND_TASK_QUEUE, CONTROL_TASK_QUEUE } from '../../workflows/contracts.ts';
import type { maintenanceWorkflow } from '../../workflows/index.ts';
import type { MaintenanceConclusion, MaintenanceInput } from '../../workflows/maintenance-contracts.ts';
import { openTimeSkipping } from './time-skipping.ts';

type Steps = Pick<
  Activities,
  | 'maintainAhead'
  | 'maintainDefaults'
  | 'maintainRetention'
  | 'maintainExpired'
  | 'maintainLedger'
  | 'maintainUnreadable'
  | 'maintainAuditLog'
>;

const time = openTimeSkipping();
let runs = 0;

/** Maintenance over steps that do as told, in a database that one at a time has. */
function fakeMaintenance(over: Partial<Steps & Pick<Activities, 'beginMaintenance'>> = {}) {
  const begun: string[] = [];
  const concluded: MaintenanceConclusion[] = [];
  const steps: string[] = [];
  const step = (name: string) => async () => {
    steps.push(name);
    return { done: 1 };
  };
  const { beginMaintenance, ...overSteps } = over;
  return {
    begun,
    concluded,
    steps,
    quick: {
      beginMaintenance: async (run) => {
        begun.push(run.maintenanceId);
        return beginMaintenance ? beginMaintenance(run) : true;
      },
      concludeMaintenance: async (conclusion) => {
        concluded.push(conclusion);
      },
    } satisfies Pick<Activities, 'beginMaintenance' | 'concludeMaintenance'>,
    background: {
      maintainAhead: step('ahead'),
      maintainDefaults: step('drain'),
      maintainRetention: step('retire'),
      maintainExpired: step('expire'),
      maintainLedger: step('ledger'),
      maintainUnreadable: step('unreadable'),
      maintainAuditLog: step('audit-log'),
      ...overSteps,
    } satisfies Steps,
  };
}

/** Does `work` while workers over the fake run; every history must replay. */
async function withWorkers<T>(fake: ReturnType<typeof fakeMaintenance>, work: (workflowId: string) => Promise<T>) {
  runs += 1;
  const workflowId = `maintenance-${runs}`;
  const connection = time.env.nativeConnection;
  const control = await Worker.create({
    connection,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowBundle: time.workflowBundle,
    activities: fake.quick,
  });
  const background = await Worker.create({
    connection,
    taskQueue: BACKGROUND_TASK_QUEUE,
    activities: fake.background,
  });
  const result = await control.runUntil(background.runUntil(work(workflowId)));
  const history = await time.env.client.workflow.getHandle(workflowId).fetchHistory();
  await Worker.runReplayHistory({ workflowBundle: time.workflowBundle }, history, workflowId);
  return { result, events: history.events?.length ?? 0 };
}

function maintain(fake: ReturnType<typeof fakeMaintenance>, input: MaintenanceInput = {}) {
  return withWorkers(fake, (workflowId) =>
    time.env.client.workflow
      .execute<typeof maintenanceWorkflow>('maintenanceWorkflow', {
        workflowId,
        taskQueue: CONTROL_TASK_QUEUE,
        args: [input],
      })
      .catch((error: unknown) => error),
  );
}

describe('a maintenance', () => {
  it('does its steps in order and tells what each did, in few events of history', async () => {
    const fake = fakeMaintenance();
    const { result, events } = await maintain(fake, { maintenanceId: 'm', dryRun: true });
    expect(fake.steps).toEqual(['ahead', 'drain', 'retire', 'expire', 'ledger', 'unreadable', 'audit-log']);
    expect(result).toMatchObject({ ahead: { done: 1 }, unreadable: { done: 1 } });
    expect(fake.concluded).toEqual([{ maintenanceId: 'm', outcome: 'finished', reasons: [] }]);
    expect(events).toBeLessThan(80);
  });

  it('does the steps after one that fails again and again, and says which failed', async () => {
    let tries = 0;
    const fake = fakeMaintenance({
      maintainDefaults: async () => {
        tries += 1;
        throw ApplicationFailure.create({ message: 'PostgreSQL is away' });
      },
    });
    const { result } = await maintain(fake);
    expect(tries).toBe(10);
    expect(fake.steps).toEqual(['ahead', 'retire', 'expire', 'ledger', 'unreadable', 'audit-log']);
    expect(fake.concluded).toMatchObject([{ outcome: 'failed', reasons: ['drain: PostgreSQL is away'] }]);
    expect((result as WorkflowFailedError).cause?.message).toBe('maintenance failed: drain: PostgreSQL is away');
  });

  it('does nothing while another one is at work', async () => {
    const fake = fakeMaintenance({ beginMaintenance: async () => false });
    expect((await maintain(fake)).result).toEqual({});
    expect([fake.steps, fake.concluded]).toEqual([[], []]);
  });

  it('that is cancelled ends at once, and its end is known', async () => {
    const fake = fakeMaintenance({
      maintainAhead: async () => {
        await time.env.client.workflow.getHandle(`maintenance-${runs}`).cancel();
        throw ApplicationFailure.create({ message: 'tried again, were it not cancelled' });
      },
    });
    expect((await maintain(fake)).result).toBeInstanceOf(WorkflowFailedError);
    expect(fake.steps).toEqual([]);
    expect(fake.concluded).toMatchObject([{ outcome: 'failed', reasons: ['it was cancelled'] }]);
  });
});

it('of a month by the clock is thirty runs, each with an id of its own, whatever one of them meets', async () => {
  const fake = fakeMaintenance({
    // The tenth comes while somebody's own run is at work, all tries of the twentieth's drain fail.
    beginMaintenance: async () => fake.begun.length !== 10,
    maintainDefaults: async () => {
      if (fake.begun.length === 20) throw ApplicationFailure.create({ message: 'PostgreSQL is away' });
      fake.steps.push('drain');
      return { found: 0 };
    },
  });
  // Temporal's test server has no schedules; a cron workflow is started by the same clock.
  await withWorkers(fake, async (workflowId) => {
    const handle = await time.env.client.workflow.start<typeof maintenanceWorkflow>('maintenanceWorkflow', {
      workflowId,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{}],
      cronSchedule: '30 3 * * *',
    });
    await time.env.sleep('30 days');
    await handle.terminate();
  });
  expect(fake.begun).toHaveLength(30);
  expect(new Set(fake.begun).size).toBe(30);
  expect(fake.concluded.filter(({ outcome }) => outcome === 'finished')).toHaveLength(28);
  expect(fake.steps.filter((step) => step === 'drain')).toHaveLength(28);
  expect(fake.steps.filter((step) => step === 'unreadable')).toHaveLength(29);
});
