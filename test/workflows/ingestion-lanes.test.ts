import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import type { SeekRequest } from '../../workflows/contracts.ts';
import { pauseSignal, resumeSignal, seekUpdate, setLanesUpdate, statusQuery } from '../../workflows/messages.ts';
import { eventually } from './eventually.ts';
import { leads } from './fake-lanes.ts';
import { type IngestionHandle, useWorkflows } from './workflow-harness.ts';

const { runScenario } = useWorkflows();

describe('a lane that fails', () => {
  it('is tried again while the others go on', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      lanes.lane(0).fail(new Error('PostgreSQL is away'));

      await eventually(() => {
        expect(lanes.started).toEqual([expect.any(String), expect.any(String), 'lane 0: crm.leads[0,2]']);
      });
      const { phase, state } = await handle.query(statusQuery);
      expect(phase).toBe('running');
      expect(state.parked).toEqual([]);
    });
  });

  it('is parked when no retry mends it, while the others go on', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      lanes.lane(1).fail(offsetsLost());

      await eventually(async () => {
        const { phase, state } = await handle.query(statusQuery);
        expect(phase).toBe('running');
        expect(state.parked).toEqual([{ lane: 1, reason: 'crm.leads[1]: offset 5 is out of range' }]);
        expect(state.lastError).toContain('offset 5 is out of range');
      });
      expect(lanes.reading).toEqual(['lane 0: crm.leads[0,2]']);
      expect(lanes.started).toHaveLength(2);
    });
  });

  it('is tried again on resume after it was parked', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await parkLane1(handle, lanes);
      await handle.signal(resumeSignal);

      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,2]', 'lane 1: crm.leads[1,3]']));
      expect((await handle.query(statusQuery)).state).toMatchObject({ parked: [], lastError: null });
      expect(lanes.started).toHaveLength(3);
    });
  });

  it('is tried again once its partition was sought after it was parked', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await parkLane1(handle, lanes);
      await seek(handle, { partition: 1, to: 'earliest' });

      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,2]', 'lane 1: crm.leads[1,3]']));
    });
  });
});

describe('partitions that come and go', () => {
  it('are waited for when the topic does not exist yet', async () => {
    await runScenario({ lanes: 2, partitions: 0 }, async ({ handle, lanes }) => {
      await eventually(async () => expect((await handle.query(statusQuery)).phase).toBe('running'));
      lanes.setPartitions(leads(0, 1, 2));

      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,2]', 'lane 1: crm.leads[1]']));
    });
  });

  it('restart only the lane that gets a new one', async () => {
    await runScenario({ lanes: 2, partitions: 3 }, async ({ lanes }) => {
      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,2]', 'lane 1: crm.leads[1]']));
      lanes.setPartitions(leads(0, 1, 2, 3));

      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,2]', 'lane 1: crm.leads[1,3]']));
      expect(lanes.started.slice(2)).toEqual(['lane 1: crm.leads[1,3]']);
    });
  });

  it('end a lane that has none left', async () => {
    await runScenario({ lanes: 2, partitions: 2 }, async ({ lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      lanes.setPartitions(leads(0));

      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0]']));
      expect(lanes.started).toHaveLength(2);
    });
  });

  it('are noticed while paused, and read on resume', async () => {
    await runScenario({ lanes: 1, partitions: 1 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(1));
      await handle.signal(pauseSignal);
      lanes.setPartitions(leads(0, 1));
      await eventually(async () => {
        const { phase, state } = await handle.query(statusQuery);
        expect([phase, state.partitions]).toEqual(['paused', leads(0, 1)]);
      });
      expect(lanes.reading).toEqual([]);

      await handle.signal(resumeSignal);
      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,1]']));
    });
  });
});

describe('setLanes', () => {
  it('restarts the lanes that give up or get a partition, and leaves the others alone', async () => {
    await runScenario({ lanes: 2, partitions: 3 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,2]', 'lane 1: crm.leads[1]']));
      await handle.executeUpdate(setLanesUpdate, { args: [3] });

      await eventually(() =>
        expect(lanes.reading).toEqual(['lane 0: crm.leads[0]', 'lane 1: crm.leads[1]', 'lane 2: crm.leads[2]']),
      );
      expect(lanes.started.filter((slice) => slice.startsWith('lane 1'))).toHaveLength(1);
      expect((await handle.query(statusQuery)).settings.lanes).toBe(3);
    });
  });

  it('answers only when nobody reads by the old deal any more', async () => {
    await runScenario({ lanes: 2, partitions: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      const handover = Promise.withResolvers<void>();
      lanes.handover = handover.promise;
      let answered = false;
      const update = handle.executeUpdate(setLanesUpdate, { args: [1] }).then(() => {
        answered = true;
      });
      // Its lane goes, so the workflow has taken the update; the lane holds on until we let it.
      await eventually(async () => expect((await handle.query(statusQuery)).settings.lanes).toBe(1));
      expect(answered).toBe(false);
      handover.resolve();
      await update;

      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,1]']));
    });
  });

  it.each([0, 1.5, -1, 1_001])('refuses %d lanes and changes nothing', async (count) => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));

      await expect(handle.executeUpdate(setLanesUpdate, { args: [count] })).rejects.toThrow(WorkflowUpdateFailedError);
      expect((await handle.query(statusQuery)).settings.lanes).toBe(2);
      expect(lanes.started).toHaveLength(2);
    });
  });
});

describe('seek', () => {
  it('moves the position while nobody reads the partition, and restarts only its lane', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));

      expect(await seek(handle, { partition: 2, to: 40 })).toEqual({
        topic: 'crm.leads',
        partition: 2,
        from: 7,
        to: 40,
      });
      expect(lanes.seeks).toMatchObject([{ consumerGroup: 'analytics', readBy: 0 }]);
      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,2]', 'lane 1: crm.leads[1,3]']));
      expect(lanes.started.filter((slice) => slice.startsWith('lane 1'))).toHaveLength(1);
    });
  });

  it('does not wake a paused ingestion', async () => {
    await runScenario({ lanes: 1 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(1));
      await handle.signal(pauseSignal);
      await seek(handle, { partition: 0, to: 'latest' });

      expect((await handle.query(statusQuery)).phase).toBe('paused');
      expect(lanes.started).toHaveLength(1);
    });
  });

  it('tells why the position cannot move, and goes on reading', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));

      const failure = await seek(handle, { partition: 0, to: 13 }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(WorkflowUpdateFailedError);
      expect(messages(failure)).toContain('crm.leads[0] has the offsets 20 to 90: 13 is none of them');
      await eventually(() => expect(lanes.reading).toHaveLength(2));
    });
  });

  it.each<[string, Omit<SeekRequest, 'topic'>]>([
    ['a partition that it does not read', { partition: 99, to: 0 }],
    ['a negative offset', { partition: 0, to: -1 }],
    ['a broken offset', { partition: 0, to: 0.5 }],
  ])('refuses %s and disturbs no lane', async (_, request) => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));

      await expect(seek(handle, request)).rejects.toThrow(WorkflowUpdateFailedError);
      expect(lanes.seeks).toEqual([]);
      expect(lanes.started).toHaveLength(2);
    });
  });
});

function seek(handle: IngestionHandle, request: Omit<SeekRequest, 'topic'>) {
  return handle.executeUpdate(seekUpdate, { args: [{ topic: 'crm.leads', ...request }] });
}

function offsetsLost(): ApplicationFailure {
  return ApplicationFailure.create({ type: 'OffsetOutOfRange', message: 'crm.leads[1]: offset 5 is out of range' });
}

async function parkLane1(
  handle: IngestionHandle,
  lanes: Parameters<Parameters<typeof runScenario>[1]>[0]['lanes'],
): Promise<void> {
  await eventually(() => expect(lanes.reading).toHaveLength(2));
  lanes.lane(1).fail(offsetsLost());
  await eventually(async () => expect((await handle.query(statusQuery)).state.parked).toHaveLength(1));
}

function messages(error: unknown): string[] {
  return error instanceof Error ? [error.message, ...messages(error.cause)] : [];
}
