import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { BACKGROUND_TASK_QUEUE, CONTROL_TASK_QUEUE, type PartitionId } from '../../workflows/contracts.ts';
import type { auditWorkflow } from '../../workflows/index.ts';
import { openTimeSkipping } from './time-skipping.ts';

type AuditActivities = Pick<Activities, 'planAudit' | 'auditPartition' | 'concludeAudit' | 'failAudit'>;

const PARTITIONS: PartitionId[] = [
  { topic: 'crm.leads', partition: 0 },
  { topic: 'crm.leads', partition: 1 },
];

const time = openTimeSkipping();
let audits = 0;

/** Runs an audit over activities that a test decides on; afterwards its history must replay. */
async function runAudit(over: Partial<AuditActivities> = {}) {
  audits += 1;
  const calls: string[] = [];
  const activities: AuditActivities = {
    planAudit: async () => PARTITIONS,
    auditPartition: async () => ({ findings: 0 }),
    concludeAudit: async () => ({ verdict: 'clean', partitions: 2, findings: 0 }),
    failAudit: async () => undefined,
    ...over,
  };
  const recorded = Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      name,
      (input: PartitionId) => {
        calls.push(name === 'auditPartition' ? `${name} ${input.partition}` : name);
        return (activity as (input: PartitionId) => Promise<unknown>)(input);
      },
    ]),
  );
  const common = { connection: time.env.nativeConnection, shutdownForceTime: '2s' } as const;
  const control = await Worker.create({
    ...common,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowBundle: time.workflowBundle,
  });
  const background = await Worker.create({ ...common, taskQueue: BACKGROUND_TASK_QUEUE, activities: recorded });
  const handle = await time.env.client.workflow.start<typeof auditWorkflow>('auditWorkflow', {
    workflowId: `audit-${audits}`,
    taskQueue: CONTROL_TASK_QUEUE,
    args: [{ auditId: 'id', consumerGroup: 'group' }],
  });
  const outcome = await background.runUntil(control.runUntil(handle.result().catch((error: Error) => error)));
  await Worker.runReplayHistory(
    { workflowBundle: time.workflowBundle },
    await handle.fetchHistory(),
    handle.workflowId,
  );
  return { outcome, calls };
}

describe('an audit', () => {
  it('takes one partition after another, away from the lanes, and concludes', async () => {
    const { outcome, calls } = await runAudit();
    expect(outcome).toEqual({ verdict: 'clean', partitions: 2, findings: 0 });
    expect(calls).toEqual(['planAudit', 'auditPartition 0', 'auditPartition 1', 'concludeAudit']);
  });

  it('tries a partition again whose server was away', async () => {
    let away = 3;
    const { outcome, calls } = await runAudit({
      auditPartition: async () => {
        away -= 1;
        if (away >= 0) throw new Error('PostgreSQL is away');
        return { findings: 1 };
      },
    });
    expect(outcome).toMatchObject({ verdict: 'clean' });
    expect(calls.filter((call) => call === 'auditPartition 0')).toHaveLength(4);
  });

  it('is given up where nothing can be proved, so that nobody waits for its report', async () => {
    const { outcome, calls } = await runAudit({
      auditPartition: async () => {
        throw ApplicationFailure.nonRetryable('crm.leads[0] is no longer in Kafka', 'InvalidAudit');
      },
    });
    expect(outcome).toBeInstanceOf(Error);
    expect(calls).toEqual(['planAudit', 'auditPartition 0', 'failAudit']);
  });
});
