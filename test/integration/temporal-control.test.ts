import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../adapters/temporal/connection.ts';
import { createIngestionControl } from '../../adapters/temporal/control.ts';
import { ingestionWorkflowId } from '../../workflows/contracts.ts';
import {
  ControlRefusedError,
  ControlUnavailableError,
  type IngestionControlPort,
  IngestionNotRunningError,
} from '../../workflows/control-port.ts';
import { required } from '../helpers/database.ts';
import { eventually } from '../workflows/eventually.ts';
import { FakeLanes, leads } from '../workflows/fake-lanes.ts';
import { settingsOf } from '../workflows/settings.ts';
import { openPlayground, type Playground } from './temporal-harness.ts';

let playground: Playground;
let control: IngestionControlPort;

beforeAll(async () => {
  playground = await openPlayground(required('TEMPORAL_ADDRESS'), 'test');
  control = createIngestionControl(playground.client, playground.namespace);
});

afterAll(() => playground?.close());

/** An ingestion of a consumer group of its own over four fake partitions in two lanes. */
async function withIngestion(
  test: (scenario: { group: string; lanes: FakeLanes; runId: string }) => Promise<void>,
): Promise<void> {
  const group = `group-${randomUUID()}`;
  const lanes = new FakeLanes(leads(0, 1, 2, 3));
  await playground.withWorkers(lanes, async () => {
    const { runId } = await control.start(settingsOf(group, 2));
    await eventually(() => expect(lanes.reading).toHaveLength(2));
    try {
      await test({ group, lanes, runId });
    } finally {
      await control.stop(group);
    }
  });
  expect(lanes.readTwice).toEqual([]);
}

describe('starting', () => {
  it('registers the search attributes where they are missing, and is found by them', async () => {
    await withIngestion(async ({ group, runId }) => {
      await eventually(async () => {
        const query = `CrmConsumerGroup = '${group}' AND CrmRunId = '${runId}' AND CrmPhase = 'running'`;
        expect(await playground.client.workflow.count(query)).toMatchObject({ count: 1 });
      });
    });
  });

  it('makes one run of several starts, also at the same time', async () => {
    const group = `group-${randomUUID()}`;
    const lanes = new FakeLanes(leads(0));
    await playground.withWorkers(lanes, async () => {
      const outcomes = await Promise.all(Array.from({ length: 5 }, () => control.start(settingsOf(group, 1))));

      expect(outcomes.filter(({ started }) => started)).toHaveLength(1);
      expect(new Set(outcomes.map(({ runId }) => runId)).size).toBe(1);
      await eventually(() => expect(lanes.reading).toHaveLength(1));
      await control.stop(group);
    });
  });

  it('begins another run after a stop', async () => {
    await withIngestion(async ({ group, lanes, runId }) => {
      expect(await control.stop(group)).toEqual({ stopped: true });
      expect((await control.status(group)).phase).toBe('stopped');

      const again = await control.start(settingsOf(group, 2));
      expect(again.started).toBe(true);
      expect(again.runId).not.toBe(runId);
      await eventually(() => expect(lanes.reading).toHaveLength(2));
    });
  });

  it('waits for one that is stopping', async () => {
    await withIngestion(async ({ group, lanes, runId }) => {
      const handover = Promise.withResolvers<void>();
      lanes.handover = handover.promise;
      expect(await control.stop(group, { waitMs: 200 })).toEqual({ stopped: false });

      const again = control.start(settingsOf(group, 2));
      await eventually(async () => expect((await control.status(group)).phase).toBe('stopping'));
      handover.resolve();
      expect(await again).toMatchObject({ started: true });
      expect((await again).runId).not.toBe(runId);
    });
  });
});

describe('a running ingestion', () => {
  it('pauses, resumes and takes another number of lanes', async () => {
    await withIngestion(async ({ group, lanes }) => {
      await control.pause(group);
      await eventually(async () => expect((await control.status(group)).phase).toBe('paused'));
      expect(lanes.reading).toEqual([]);

      await control.setLanes(group, 3);
      await control.resume(group);
      await eventually(() => expect(lanes.reading).toHaveLength(3));
    });
  });

  it('seeks, and tells why it does not', async () => {
    await withIngestion(async ({ group, lanes }) => {
      const at = { topic: 'crm.leads', partition: 1 };

      expect(await control.seek(group, { ...at, to: 40 })).toEqual({ ...at, from: 7, to: 40 });
      await expect(control.seek(group, { ...at, to: 13 })).rejects.toThrow('13 is none of them');
      await expect(control.seek(group, { ...at, partition: 9, to: 0 })).rejects.toThrow(ControlRefusedError);
      await expect(control.setLanes(group, 0)).rejects.toThrow('whole number from 1 to');
      await eventually(() => expect(lanes.reading).toHaveLength(2));
    });
  });

  it('shows a lane that is tried again, and one that is parked', async () => {
    await withIngestion(async ({ group, lanes }) => {
      lanes.failing.set(0, new Error('PostgreSQL is away'));
      lanes.lane(0).fail(new Error('PostgreSQL is away'));
      await eventually(async () => {
        const {
          lanes: [first],
          problem,
          phase,
        } = await control.status(group);
        expect(phase).toBe('running');
        expect(first).toMatchObject({ phase: 'waiting', lastError: 'PostgreSQL is away', partitions: leads(0, 2) });
        expect(first?.attempt).toBeGreaterThan(1);
        expect(problem).toContain('lane 0 tries again');
      });
      lanes.failing.clear();

      lanes
        .lane(1)
        .fail(ApplicationFailure.create({ type: 'OffsetOutOfRange', message: 'crm.leads[1] is out of range' }));
      await eventually(async () => {
        const {
          lanes: [, second],
          problem,
        } = await control.status(group);
        expect(second).toMatchObject({ phase: 'parked', lastError: 'crm.leads[1] is out of range' });
        expect(problem).toContain('lane 1 is parked');
      });
    });
  });

  it('shows what its lanes heartbeat', async () => {
    await withIngestion(async ({ group, lanes }) => {
      lanes.progress = 77;
      await eventually(async () => {
        const { lanes: reported } = await control.status(group);
        expect(reported.map(({ progress }) => progress?.totals.stored)).toEqual([77, 77]);
      });
    });
  });

  it('continues as new while slices end faster than they could ever', async () => {
    await withIngestion(async ({ group, lanes, runId }) => {
      const handle = playground.client.workflow.getHandle(ingestionWorkflowId(group));
      lanes.quick = true;
      for (const slice of lanes.running) slice.endSlice(1);
      await eventually(async () => expect((await handle.describe()).runId).not.toBe(runId));
      lanes.quick = false;
      await eventually(() => expect(lanes.reading).toHaveLength(2));

      const { state } = await control.status(group);
      expect(state?.runId).toBe(runId);
      expect(state?.totals.stored).toBe(lanes.started.length - lanes.running.size);
    });
  });

  it('is reported as far as Temporal knows it when no worker answers', async () => {
    const group = `group-${randomUUID()}`;
    const lanes = new FakeLanes(leads(0));
    await playground.withWorkers(lanes, async () => {
      await control.start(settingsOf(group, 1));
      await eventually(() => expect(lanes.reading).toHaveLength(1));
      await control.pause(group);
      await eventually(async () => expect((await control.status(group)).phase).toBe('paused'));
    });

    expect(await control.status(group)).toMatchObject({
      phase: 'paused',
      settings: null,
      problem: expect.stringContaining('no worker answers'),
    });
    await playground.client.workflow.getHandle(ingestionWorkflowId(group)).terminate();
    expect(await control.status(group)).toMatchObject({
      phase: 'stopped',
      problem: expect.stringContaining('TERMINATED'),
    });
  });
});

describe('without a running ingestion', () => {
  it('a stop has nothing to do', async () => {
    expect(await control.stop('nobody')).toEqual({ stopped: true });
  });

  it('the status is that it never started', async () => {
    expect(await control.status('nobody')).toMatchObject({ phase: 'never-started', lanes: [], problem: null });
  });

  it.each([
    ['pause', () => control.pause('nobody')],
    ['resume', () => control.resume('nobody')],
    ['setLanes', () => control.setLanes('nobody', 2)],
    ['seek', () => control.seek('nobody', { topic: 'crm.leads', partition: 0, to: 0 })],
  ])('%s says so', async (_, ask) => {
    await expect(ask()).rejects.toThrow(IngestionNotRunningError);
  });
});

describe('health', () => {
  it('is the time of a round trip', async () => {
    expect((await control.health()).latencyMs).toBeGreaterThan(0);
  });

  it('says that Temporal can not be asked when nothing listens there', async () => {
    const client = createClient({ address: '127.0.0.1:1', namespace: 'default', tls: null, apiKey: null });
    onTestFinished(() => client.connection.close());
    const nowhere = createIngestionControl(client, 'default');

    await expect(nowhere.health()).rejects.toThrow(ControlUnavailableError);
    await expect(nowhere.status('nobody')).rejects.toThrow(ControlUnavailableError);
  });
});
