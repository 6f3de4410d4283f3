/**
 * Records histories of the sweep, of a replay of parked ranges and of an audit; see record.ts.
 *
 *   TEMPORAL_ADDRESS=127.0.0.1:7233 node test/replay/record-background.ts 0.2.0
 */
import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/index.ts';
import { auditWorkflowId, CONTROL_TASK_QUEUE, NO_TOTALS, parkedReplayWorkflowId } from '../../workflows/contracts.ts';
import type { auditWorkflow, parkedReplayWorkflow, sweepWorkflow } from '../../workflows/index.ts';
import { openPlayground } from '../integration/temporal-harness.ts';
import { saveHistory } from './save-history.ts';

const [release] = process.argv.slice(2);
const address = process.env.TEMPORAL_ADDRESS;
assert(release && address, 'usage: TEMPORAL_ADDRESS=host:port node test/replay/record-background.ts RELEASE');

const STREAM = { topic: 'crm.leads', schemaId: 7 };
let slices = 0;
let tries = 0;
const activities: Partial<Activities> = {
  sweepRetries: async () => ({ due: 3, enqueued: 3 }),
  sweepPartitions: async () => ({ made: 0 }),
  sweepParked: async () => ({ ready: [STREAM] }),
  sweepQuotas: async () => ({ ready: [] }),
  sweepErasures: async () => ({ running: [] }),
  sweepBooks: async () => {
    throw ApplicationFailure.nonRetryable('PostgreSQL is away');
  },
  startParkedRun: async () => {},
  finishRun: async () => {},
  replayParked: async () => {
    slices += 1;
    return { finished: slices === 3, totals: { ...NO_TOTALS, stored: 10 } };
  },
  planAudit: async () => [
    { topic: 'crm.leads', partition: 0 },
    { topic: 'crm.leads', partition: 1 },
  ],
  auditPartition: async ({ partition }) => {
    tries += 1;
    if (tries === 1) throw new Error('Kafka is away');
    return { findings: partition };
  },
  concludeAudit: async () => ({ verdict: 'findings', partitions: 2, findings: 1 }),
};

const playground = await openPlayground(address, 'recorder');
const { client } = playground;
await playground.withWorkers({ activities }, async () => {
  const start = { taskQueue: CONTROL_TASK_QUEUE };
  const sweep = await client.workflow.start<typeof sweepWorkflow>('sweepWorkflow', {
    ...start,
    workflowId: 'sweep',
    args: [{ consumerGroup: 'analytics' }],
  });
  await assert.rejects(sweep.result());
  await saveHistory(client, 'sweep', sweep.firstExecutionRunId, `sweep-${release}-with-a-failed-step`);

  const parked = parkedReplayWorkflowId('analytics', STREAM);
  await client.workflow.getHandle<typeof parkedReplayWorkflow>(parked).result();
  const { runId } = await client.workflow.getHandle(parked).describe();
  await saveHistory(client, parked, runId, `parked-replay-${release}-finished`);

  const auditId = 'a';
  const audit = await client.workflow.start<typeof auditWorkflow>('auditWorkflow', {
    ...start,
    workflowId: auditWorkflowId(auditId),
    args: [{ auditId, consumerGroup: 'analytics' }],
  });
  await audit.result();
  await saveHistory(client, auditWorkflowId(auditId), audit.firstExecutionRunId, `audit-${release}-finished`);
});
await playground.close();
