/**
 * Records histories of replays, of backfills and of dry runs; see record.ts. To their workflow they are the same: what
 * differs is told by PostgreSQL.
 *
 *   TEMPORAL_ADDRESS=127.0.0.1:7233 node test/replay/record-replay.ts 0.3.0
 */
import assert from 'node:assert/strict';
import { createReplayControl } from '../../adapters/temporal/replay-control.ts';
import { REPLAY_HISTORY_LIMIT } from '../../workflows/replay.ts';
import { replayWorkflowId } from '../../workflows/replay-contracts.ts';
import { openPlayground } from '../integration/temporal-harness.ts';
import { eventually } from '../workflows/eventually.ts';
import { FakeReplay, unmendable } from '../workflows/fake-replay.ts';
import { saveHistory } from './save-history.ts';

const [release] = process.argv.slice(2);
const address = process.env.TEMPORAL_ADDRESS;
assert(release && address, 'usage: TEMPORAL_ADDRESS=host:port node test/replay/record-replay.ts RELEASE');

const playground = await openPlayground(address, 'recorder');
const { client } = playground;
const control = createReplayControl(client);
const handleOf = (replayId: string) => client.workflow.getHandle(replayWorkflowId(replayId));
const runOf = async (replayId: string) => (await handleOf(replayId).describe()).runId;
const save = (replayId: string, runId: string, kind: string, name: string) =>
  saveHistory(client, replayWorkflowId(replayId), runId, `${kind}-${release}-${name}`);
const start = (replayId: string, lanes: number) =>
  control.run({ replayId, consumerGroup: 'analytics', lanes, ratePerSecond: 100 }, null);
const reads = (replay: FakeReplay, ...parts: number[]) =>
  eventually(() => assert.deepEqual(replay.reading.toSorted(), parts));
const phase = (replayId: string, name: string) =>
  eventually(async () => assert.equal((await control.progress(replayId))?.phase, name));

const told = new FakeReplay(5);
await playground.withWorkers(told, async () => {
  await start('a', 2);
  await reads(told, 0, 1);
  told.of(1).end(10, true);
  await reads(told, 0, 2);
  told.of(2).fail(new Error('the worker is gone'));
  await eventually(() => assert.equal(told.of(2).attempt, 2));
  await control.setSpeed('a', { lanes: 3, ratePerSecond: null });
  await reads(told, 0, 2, 3);
  await assert.rejects(control.setSpeed('a', { lanes: 0, ratePerSecond: null }));
  await control.pause('a');
  await phase('a', 'paused');
  await start('a', 2);
  await reads(told, 0, 2, 3);
  await control.cancel('a');
  await handleOf('a').result();
  await save('a', await runOf('a'), 'replay', 'cancelled');
});

const whole = new FakeReplay(3);
await playground.withWorkers(whole, async () => {
  await start('b', 1);
  await reads(whole, 0);
  const first = await runOf('b');
  while (
    (await client.workflow.getHandle(replayWorkflowId('b'), first).describe()).historyLength <= REPLAY_HISTORY_LIMIT
  ) {
    await Promise.all(Array.from({ length: 50 }, () => start('b', 1)));
  }
  whole.of(0).end(5, true);
  await eventually(async () => assert.notEqual(await runOf('b'), first));
  for (const part of [1, 2]) {
    await reads(whole, part);
    whole.of(part).end(5, true);
  }
  await handleOf('b').result();
  await save('b', first, 'backfill', 'continues-as-new');
  await save('b', await runOf('b'), 'backfill', 'continued-and-finished');
});

const dry = new FakeReplay(1);
await playground.withWorkers(dry, async () => {
  await start('c', 4);
  await reads(dry, 0);
  dry.of(0).end(0, false);
  await reads(dry, 0);
  dry.of(0).end(0, true);
  await handleOf('c').result();
  await save('c', await runOf('c'), 'dry-run', 'finished');
});

const refused = new FakeReplay(0);
refused.plan = () => Promise.reject(unmendable('InvalidSelection'));
await playground.withWorkers(refused, async () => {
  await start('d', 1);
  await assert.rejects(handleOf('d').result());
  await save('d', await runOf('d'), 'replay', 'refused');
});
await playground.close();
