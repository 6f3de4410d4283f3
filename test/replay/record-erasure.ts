/**
 * Records the history of an erasure that needs a second round; see record.ts.
 *
 *   TEMPORAL_ADDRESS=127.0.0.1:7233 node test/replay/record-erasure.ts 0.3.0
 */
import assert from 'node:assert/strict';
import type { Activities } from '../../activities/index.ts';
import { CONTROL_TASK_QUEUE } from '../../workflows/contracts.ts';
import { erasureWorkflowId } from '../../workflows/erasure-contracts.ts';
import type { erasureWorkflow } from '../../workflows/index.ts';
import { openPlayground } from '../integration/temporal-harness.ts';
import { saveHistory } from './save-history.ts';

const [release] = process.argv.slice(2);
const address = process.env.TEMPORAL_ADDRESS;
assert(release && address, 'usage: TEMPORAL_ADDRESS=host:port node test/replay/record-erasure.ts RELEASE');

let tries = 0;
let left = 1;
const activities: Partial<Activities> = {
  suppressSubject: async () => {},
  resolveRecords: async () => {},
  eraseTables: async () => {
    tries += 1;
    if (tries === 1) throw new Error('PostgreSQL is away');
  },
  eraseFailed: async () => {},
  redactRequests: async () => {},
  searchAgain: async () => {
    const found = { tables: 12, left, held: 0, unreadable: 3 };
    left = 0;
    return found;
  },
  concludeErasure: async () => ({ verdict: 'erased', rows: 5 }),
};

const playground = await openPlayground(address, 'recorder');
const { client } = playground;
await playground.withWorkers({ activities }, async () => {
  const workflowId = erasureWorkflowId('e');
  const erasure = await client.workflow.start<typeof erasureWorkflow>('erasureWorkflow', {
    taskQueue: CONTROL_TASK_QUEUE,
    workflowId,
    args: [{ erasureId: 'e' }],
  });
  await erasure.result();
  await saveHistory(client, workflowId, erasure.firstExecutionRunId, `erasure-${release}-in-two-rounds`);
});
await playground.close();
