import { randomBytes, randomUUID } from 'node:crypto';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataConverterOf } from '../../adapters/temporal/codec.ts';
import { createClient } from '../../adapters/temporal/connection.ts';
import { createIngestionControl } from '../../adapters/temporal/control.ts';
import { keepSweepSchedule } from '../../adapters/temporal/schedules.ts';
import { ingestionWorkflowId, sweepId } from '../../workflows/contracts.ts';
import { required } from '../helpers/database.ts';
import { eventually } from '../workflows/eventually.ts';
import { FakeLanes, leads } from '../workflows/fake-lanes.ts';
import { settingsOf } from '../workflows/settings.ts';
import { openPlayground, type Playground } from './temporal-harness.ts';

const address = required('TEMPORAL_ADDRESS');
const dataConverter = dataConverterOf(`k1 ${randomBytes(32).toString('base64')}`);
const ENCRYPTED = Buffer.from('binary/encrypted').toString('base64');
let playground: Playground;

beforeAll(async () => {
  playground = await openPlayground(address, 'test');
});

afterAll(() => playground?.close());

/** Everything that a history holds, with payloads as they are stored. */
async function storedTexts(workflowId: string): Promise<string> {
  const json = historyToJSON(await playground.client.workflow.getHandle(workflowId).fetchHistory());
  const payloads = [...json.matchAll(/"data": "([^"]+)"/g)].map(([, data]) => Buffer.from(data ?? '', 'base64'));
  return [json, ...payloads.map((data) => data.toString('latin1'))].join('\n');
}

describe('with keys', () => {
  it('an ingestion that began without goes on, its history holds both, and can be replayed', async () => {
    const group = `group-${randomUUID()}`;
    const workflowId = ingestionWorkflowId(group);
    const lanes = new FakeLanes(leads(0, 1));
    const plain = createIngestionControl(playground.client, playground.namespace);
    await playground.withWorkers({ activities: lanes.activities }, async () => {
      await plain.start(settingsOf(group, 2));
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      await plain.pause(group);
      await eventually(async () => expect((await plain.status(group)).phase).toBe('paused'));
    });
    const before = await storedTexts(workflowId);
    expect(before.includes('"consumerGroup"')).toBe(true);
    expect(before.includes(ENCRYPTED)).toBe(false);

    const client = createClient({ address, namespace: playground.namespace, tls: null, apiKey: null, dataConverter });
    const control = createIngestionControl(client, playground.namespace);
    try {
      await playground.withWorkers({ activities: lanes.activities, dataConverter }, async () => {
        lanes.progress = 77;
        // As the CLI does it, which knows nothing of keys.
        await plain.resume(group);
        await eventually(() => expect(lanes.reading).toHaveLength(2));
        await control.setLanes(group, 1);
        await eventually(async () => {
          const status = await control.status(group);
          expect(status.settings?.lanes).toBe(1);
          expect(status.lanes.map(({ progress }) => progress?.totals.stored)).toEqual([77]);
        });
        // Whoever has no keys sees the lanes, and not what they say.
        expect((await plain.status(group)).lanes.map(({ progress }) => progress)).not.toContainEqual(
          expect.objectContaining({ totals: expect.anything() }),
        );
        expect(await control.stop(group)).toEqual({ stopped: true });
        expect((await control.status(group)).phase).toBe('stopped');
      });
    } finally {
      await control.close();
    }
    const after = await storedTexts(workflowId);
    expect([after.includes('"consumerGroup"'), after.includes(ENCRYPTED)]).toEqual([true, true]);

    const history = await playground.client.workflow.getHandle(workflowId).fetchHistory();
    const workflowsPath = new URL('../../workflows/index.ts', import.meta.url).pathname;
    const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR', () => {}) });
    await Worker.runReplayHistory({ workflowBundle, dataConverter }, history);
    await expect(Worker.runReplayHistory({ workflowBundle }, history)).rejects.toThrow();
  });

  it('nothing of an ingestion can be read in Temporal but its ids', async () => {
    const group = `group-${randomUUID()}`;
    const lanes = new FakeLanes(leads(0));
    const client = createClient({ address, namespace: playground.namespace, tls: null, apiKey: null, dataConverter });
    const control = createIngestionControl(client, playground.namespace);
    try {
      await playground.withWorkers({ activities: lanes.activities, dataConverter }, async () => {
        await control.start({ ...settingsOf(group, 1), topics: ['canary.topic'] });
        await eventually(() => expect(lanes.reading).toHaveLength(1));
        expect((await control.status(group)).settings?.topics).toEqual(['canary.topic']);
        await control.stop(group);
      });
    } finally {
      await control.close();
    }
    const stored = await storedTexts(ingestionWorkflowId(group));
    expect([stored.includes(group), stored.includes(ENCRYPTED)]).toEqual([true, true]);
    expect(/canary|crm\.leads|"stored"|watermarks/.exec(stored)?.[0]).toBeUndefined();
  });

  it('the schedules of a worker are brought up to date', async () => {
    const consumerGroup = `group-${randomUUID()}`;
    const where = { namespace: playground.namespace, consumerGroup };
    const { connection, schedule } = playground.client;
    await keepSweepSchedule(connection, where);
    await keepSweepSchedule(connection, { ...where, dataConverter });
    await keepSweepSchedule(connection, { ...where, dataConverter });
    const handle = schedule.getHandle(sweepId(consumerGroup));
    const { schedule: stored } = await connection.workflowService.describeSchedule({
      namespace: playground.namespace,
      scheduleId: sweepId(consumerGroup),
    });
    const [input] = stored?.action?.startWorkflow?.input?.payloads ?? [];
    expect(Buffer.from(input?.metadata?.encoding ?? []).toString()).toBe('binary/encrypted');
    await handle.delete();
  });
});
