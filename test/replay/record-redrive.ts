/**
 * Records histories of redrives; see record.ts.
 *
 *   TEMPORAL_ADDRESS=127.0.0.1:7233 node test/replay/record-redrive.ts 0.2.0
 */
import assert from 'node:assert/strict';
import { createRedriveControl } from '../../adapters/temporal/redrive-control.ts';
import { redriveWorkflowId } from '../../workflows/contracts.ts';
import { REDRIVE_HISTORY_LIMIT } from '../../workflows/redrive.ts';
import { openPlayground } from '../integration/temporal-harness.ts';
import { eventually } from '../workflows/eventually.ts';
import { FakeRedrive } from '../workflows/fake-redrive.ts';
import { saveHistory } from './save-history.ts';

const [release] = process.argv.slice(2);
const address = process.env.TEMPORAL_ADDRESS;
assert(release && address, 'usage: TEMPORAL_ADDRESS=host:port node test/replay/record-redrive.ts RELEASE');

const playground = await openPlayground(address, 'recorder');
const { client } = playground;
const control = createRedriveControl(client);
const runOf = async (redriveId: string) =>
  (await client.workflow.getHandle(redriveWorkflowId(redriveId)).describe()).runId;
const save = (redriveId: string, runId: string, name: string) =>
  saveHistory(client, redriveWorkflowId(redriveId), runId, `redrive-${release}-${name}`);

const cancelled = new FakeRedrive();
await playground.withWorkers(cancelled, async () => {
  const working = (after: number) =>
    eventually(() =>
      assert.deepEqual(
        cancelled.working.map(({ input }) => input.after),
        [after],
      ),
    );
  const phase = (name: string) => eventually(async () => assert.equal((await control.progress('a'))?.phase, name));
  await control.hold({ redriveId: 'a', action: 'redrive', ratePerSecond: 100 }, null);
  await phase('paused');
  await control.run({ redriveId: 'a', action: 'redrive', ratePerSecond: 100 }, null);
  await working(0);
  cancelled.latest.end(10);
  await working(10);
  cancelled.latest.fail(new Error('the worker is gone'));
  await eventually(() => assert.equal(cancelled.working[0]?.attempt, 2));
  await control.setRate('a', 7);
  await working(11);
  await assert.rejects(control.setRate('a', 0));
  await control.pause('a');
  await phase('paused');
  await control.run({ redriveId: 'a', action: 'redrive', ratePerSecond: 100 }, null);
  await working(12);
  await control.cancel('a');
  assert(await control.ended('a', 10_000));
  await save('a', await runOf('a'), 'cancelled');
});

const discarding = new FakeRedrive();
await playground.withWorkers(discarding, async () => {
  await control.run({ redriveId: 'b', action: 'discard', ratePerSecond: 100 }, null);
  await eventually(() => assert.equal(discarding.working.length, 1));
  const first = await runOf('b');
  const handle = client.workflow.getHandle(redriveWorkflowId('b'), first);
  while ((await handle.describe()).historyLength <= REDRIVE_HISTORY_LIMIT) {
    await Promise.all(
      Array.from({ length: 50 }, () => control.run({ redriveId: 'b', action: 'discard', ratePerSecond: 100 }, null)),
    );
  }
  discarding.latest.end(5);
  await eventually(async () => assert.notEqual(await runOf('b'), first));
  await eventually(() => assert.equal(discarding.working.length, 1));
  discarding.latest.end(5, true);
  assert(await control.ended('b', 10_000));
  await save('b', first, 'continues-as-new');
  await save('b', await runOf('b'), 'continued-and-finished');
});
await playground.close();
