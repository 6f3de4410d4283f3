/**
 * Records the histories that replay.test.ts replays, on the real server that TEMPORAL_ADDRESS names:
 *
 *   TEMPORAL_ADDRESS=127.0.0.1:7233 node test/replay/record.ts 0.1.0
 *
 * Record from released code, under the release's number, and keep the older files: they stand for ingestions that run
 * while a new version is deployed. Never record over a file to make a failing replay pass: what fails here is what would
 * fail in production.
 */
import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import { createIngestionControl } from '../../adapters/temporal/control.ts';
import { ingestionWorkflowId } from '../../workflows/contracts.ts';
import { HISTORY_LIMIT } from '../../workflows/ingestion.ts';
import { openPlayground } from '../integration/temporal-harness.ts';
import { eventually } from '../workflows/eventually.ts';
import { FakeLanes, leads } from '../workflows/fake-lanes.ts';
import { settingsOf } from '../workflows/settings.ts';
import { saveHistory } from './save-history.ts';

const [release] = process.argv.slice(2);
const address = process.env.TEMPORAL_ADDRESS;
assert(release && address, 'usage: TEMPORAL_ADDRESS=host:port node test/replay/record.ts RELEASE');

const playground = await openPlayground(address, 'recorder');
const { client, namespace } = playground;
const control = createIngestionControl(client, namespace);
const GROUP = 'analytics';
const at = { topic: 'crm.leads', partition: 0 };

const lanes = new FakeLanes(leads());
await playground.withWorkers(lanes, async () => {
  const reads = (count: number) => eventually(() => assert.equal(lanes.reading.length, count));
  const phase = (name: string) => eventually(async () => assert.equal((await control.status(GROUP)).phase, name));

  await control.start(settingsOf(GROUP, 2));
  await phase('running');
  lanes.setPartitions(leads(0, 1, 2));
  await reads(2);
  lanes.lane(0).endSlice(10);
  await eventually(() => assert.equal(lanes.started.length, 3));
  lanes.lane(1).fail(new Error('PostgreSQL is away'));
  await eventually(() => assert.equal(lanes.started.length, 4));

  await control.pause(GROUP);
  await phase('paused');
  await control.seek(GROUP, { ...at, to: 'earliest' });
  await control.resume(GROUP);
  await reads(2);

  lanes.setPartitions(leads(0, 1, 2, 3));
  await eventually(() => assert.deepEqual(lanes.reading.at(1), 'lane 1: crm.leads[1,3]'));
  await control.setLanes(GROUP, 3);
  await reads(3);
  await control.seek(GROUP, { ...at, to: 40 });
  await assert.rejects(control.seek(GROUP, { ...at, to: 13 }));
  await reads(3);

  lanes.lane(2).fail(ApplicationFailure.create({ type: 'OffsetOutOfRange', message: 'out of range' }));
  await eventually(async () => assert.equal((await control.status(GROUP)).lanes[2]?.phase, 'parked'));
  await control.resume(GROUP);
  await reads(3);

  const handle = client.workflow.getHandle(ingestionWorkflowId(GROUP));
  const first = await handle.describe();
  while ((await client.workflow.getHandle(first.workflowId, first.runId).describe()).historyLength <= HISTORY_LIMIT) {
    await Promise.all(Array.from({ length: 50 }, () => control.resume(GROUP)));
  }
  await eventually(async () => assert.notEqual((await handle.describe()).runId, first.runId));
  await reads(3);
  await save('continues-as-new', first.runId);
  await control.stop(GROUP);
  await save('continued-and-stopped', (await handle.describe()).runId);
});
await playground.close();

function save(name: string, runId: string): Promise<void> {
  return saveHistory(client, ingestionWorkflowId(GROUP), runId, `ingestion-${release}-${name}`);
}
