/**
 * Records a history of partition maintenance; see record.ts.
 *
 *   TEMPORAL_ADDRESS=127.0.0.1:7233 node test/replay/record-maintenance.ts 0.3.0
 */
import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/index.ts';
import { CONTROL_TASK_QUEUE } from '../../workflows/contracts.ts';
import type { maintenanceWorkflow } from '../../workflows/index.ts';
import { openPlayground } from '../integration/temporal-harness.ts';
import { saveHistory } from './save-history.ts';

const [release] = process.argv.slice(2);
const address = process.env.TEMPORAL_ADDRESS;
assert(release && address, 'usage: TEMPORAL_ADDRESS=host:port node test/replay/record-maintenance.ts RELEASE');

let tries = 0;
const activities: Partial<Activities> = {
  beginMaintenance: async () => true,
  maintainAhead: async () => ({ made: 4 }),
  maintainDefaults: async () => {
    tries += 1;
    if (tries === 1) throw new Error('PostgreSQL is away');
    return { found: 0 };
  },
  maintainRetention: async () => ({ detached: 1, dropped: 1, droppedRows: 10 }),
  maintainExpired: async () => {
    throw ApplicationFailure.nonRetryable('a table is locked');
  },
  maintainLedger: async () => ({ refused: 1 }),
  maintainUnreadable: async () => ({}),
  concludeMaintenance: async () => {},
};

const playground = await openPlayground(address, 'recorder');
const { client } = playground;
await playground.withWorkers({ activities }, async () => {
  const run = await client.workflow.start<typeof maintenanceWorkflow>('maintenanceWorkflow', {
    taskQueue: CONTROL_TASK_QUEUE,
    workflowId: 'maintenance',
    args: [{}],
  });
  await assert.rejects(run.result());
  await saveHistory(client, 'maintenance', run.firstExecutionRunId, `maintenance-${release}-with-a-failed-step`);
});
await playground.close();
