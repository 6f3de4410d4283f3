import { randomUUID } from 'node:crypto';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../adapters/temporal/connection.ts';
import { keepSweepSchedule } from '../../adapters/temporal/schedules.ts';
import { required } from '../helpers/database.ts';
import { eventually } from '../workflows/eventually.ts';

async function openNamespace() {
  const namespace = `test-${randomUUID()}`;
  const client = createClient({ address: required('TEMPORAL_ADDRESS'), namespace, tls: null, apiKey: null });
  const { workflowService, operatorService } = client.connection;
  await workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs('1 day') });
  onTestFinished(async () => {
    await operatorService.deleteNamespace({ namespace });
    await client.connection.close();
  });
  // The frontends notice a new namespace after a moment.
  await eventually(async () => {
    await client.workflow.count();
  });
  return { namespace, client, schedule: client.schedule.getHandle('crm-ingestion-sweep:group') };
}

it('the schedule of the sweep is made once, however many workers start, and stays paused when it is', async () => {
  const { namespace, client, schedule } = await openNamespace();
  const keep = () => keepSweepSchedule(client.connection, { namespace, consumerGroup: 'group' });
  await Promise.all([keep(), keep(), keep()]);
  const made = await schedule.describe();
  expect(made.policies.overlap).toBe(ScheduleOverlapPolicy.SKIP);
  expect(made.spec.intervals).toMatchObject([{ every: 60_000 }]);
  expect(made.action).toMatchObject({ workflowType: 'sweepWorkflow', taskQueue: 'crm-ingestion' });

  await schedule.pause('by an operator');
  await keep();
  expect((await schedule.describe()).state).toMatchObject({ paused: true, note: 'by an operator' });
});

it('a schedule that was changed is brought up to date', async () => {
  const { namespace, client, schedule } = await openNamespace();
  const keep = () => keepSweepSchedule(client.connection, { namespace, consumerGroup: 'group' });
  await keep();
  await schedule.update((previous) => ({ ...previous, spec: { intervals: [{ every: '1 day' }] } }));
  await keep();
  expect((await schedule.describe()).spec.intervals).toMatchObject([{ every: 60_000 }]);
});
