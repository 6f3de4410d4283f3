import { describe, expect, it } from 'vitest';
import { HISTORY_LIMIT } from '../../workflows/ingestion.ts';
import { pauseSignal, resumeSignal, setLanesUpdate, statusQuery, stopSignal } from '../../workflows/messages.ts';
import { eventually } from './eventually.ts';
import { leads } from './fake-lanes.ts';
import { type IngestionHandle, useWorkflows } from './workflow-harness.ts';

const { runScenario, latest } = useWorkflows();

describe('an ingestion', () => {
  it('registers its run and reads every partition in one lane', async () => {
    await runScenario({ lanes: 2, partitions: 4 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toEqual(['lane 0: crm.leads[0,2]', 'lane 1: crm.leads[1,3]']));

      const { phase, state } = await handle.query(statusQuery);
      expect(phase).toBe('running');
      expect(state.partitions).toEqual(leads(0, 1, 2, 3));
      expect(state.runId).toBe(handle.firstExecutionRunId);
      expect(lanes.lane(0).input.runId).toBe(state.runId);
      expect(lanes.calls.filter((call) => call === 'startRun')).toHaveLength(1);
    });
  });

  it('reads nothing before its run is known in PostgreSQL', async () => {
    const prepare = (lanes: { startRunFailure: Error | null }) => {
      lanes.startRunFailure = new Error('PostgreSQL is away');
    };
    await runScenario({ prepare }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.calls).toContain('startRun'));
      expect((await handle.query(statusQuery)).phase).toBe('starting');
      expect(lanes.started).toEqual([]);

      lanes.startRunFailure = null;
      await eventually(() => expect(lanes.reading).toHaveLength(2));
    });
  });

  it('runs slice after slice and adds up what they counted', async () => {
    await runScenario({ lanes: 1 }, async ({ handle, lanes }) => {
      for (const [slices, stored] of [10, 20, 30].entries()) {
        await eventually(() => expect(lanes.started).toHaveLength(slices + 1));
        lanes.lane(0).endSlice(stored);
      }
      await eventually(async () => {
        const { state } = await handle.query(statusQuery);
        expect(state).toMatchObject({ slices: 3, totals: { stored: 60 } });
      });
    });
  });

  it('stops all lanes when paused, keeps what they did, and goes on with the same deal when resumed', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      const before = lanes.reading;

      await handle.signal(pauseSignal);
      await eventually(async () => expect((await handle.query(statusQuery)).phase).toBe('paused'));
      expect(lanes.reading).toEqual([]);
      expect((await handle.query(statusQuery)).state.totals.stored).toBe(2);

      await handle.signal(resumeSignal);
      await eventually(() => expect(lanes.reading).toEqual(before));
      expect((await handle.query(statusQuery)).phase).toBe('running');
    });
  });

  it('takes the same signal twice without harm', async () => {
    await runScenario({ lanes: 1 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(1));
      await handle.signal(resumeSignal);
      await handle.signal(pauseSignal);
      await handle.signal(pauseSignal);
      await eventually(async () => expect((await handle.query(statusQuery)).phase).toBe('paused'));
      await handle.signal(resumeSignal);
      await handle.signal(resumeSignal);

      await eventually(() => expect(lanes.reading).toHaveLength(1));
      expect(lanes.started).toHaveLength(2);
    });
  });

  it('shows that it is pausing until the last lane has handed over', async () => {
    await runScenario({ lanes: 1 }, async ({ handle, lanes }) => {
      const handover = Promise.withResolvers<void>();
      lanes.handover = handover.promise;
      await eventually(() => expect(lanes.reading).toHaveLength(1));

      await handle.signal(pauseSignal);
      expect((await handle.query(statusQuery)).phase).toBe('pausing');
      handover.resolve();
      await eventually(async () => expect((await handle.query(statusQuery)).phase).toBe('paused'));
    });
  });

  it('completes with its totals and finishes the run when stopped', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      await handle.signal(stopSignal);

      expect(await handle.result()).toMatchObject({ phase: 'stopped', state: { totals: { stored: 2 } } });
      expect(lanes.reading).toEqual([]);
      expect(lanes.calls.filter((call) => call === 'finishRun')).toHaveLength(1);
    });
  });

  it('stops while paused', async () => {
    await runScenario({}, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      await handle.signal(pauseSignal);
      await eventually(async () => expect((await handle.query(statusQuery)).phase).toBe('paused'));
      await handle.signal(stopSignal);

      expect((await handle.result()).phase).toBe('stopped');
      expect(lanes.calls).toContain('finishRun');
    });
  });

  it('stops before its run could be registered, and then has nothing to finish', async () => {
    const prepare = (lanes: { startRunFailure: Error | null }) => {
      lanes.startRunFailure = new Error('PostgreSQL is away');
    };
    await runScenario({ prepare }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.calls).toContain('startRun'));
      await handle.signal(stopSignal);

      expect((await handle.result()).phase).toBe('stopped');
      expect(lanes.started).toEqual([]);
      expect(lanes.calls).not.toContain('finishRun');
    });
  });

  it('drains like a stopped one when it is cancelled', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      await handle.cancel();

      expect(await handle.result()).toMatchObject({ phase: 'stopped', state: { totals: { stored: 2 } } });
      expect(lanes.calls).toContain('finishRun');
    });
  });

  it('goes on reading when positions cannot be mirrored', async () => {
    const prepare = (lanes: { mirrorFailure: Error | null }) => {
      lanes.mirrorFailure = new Error('the group refuses us');
    };
    await runScenario({ lanes: 1, prepare }, async ({ handle, lanes }) => {
      await eventually(() =>
        expect(lanes.calls.filter((call) => call === 'mirrorPositions').length).toBeGreaterThan(1),
      );
      expect(lanes.reading).toHaveLength(1);
      expect((await handle.query(statusQuery)).phase).toBe('running');
    });
  });
});

describe('an ingestion whose history is full', () => {
  it('continues as new with the same run, deal and totals', async () => {
    await runScenario({ lanes: 2 }, async ({ handle, lanes }) => {
      await eventually(() => expect(lanes.reading).toHaveLength(2));
      await handle.executeUpdate(setLanesUpdate, { args: [3] });
      const before = (await handle.query(statusQuery)).state;
      await fillHistory(handle);

      await eventually(async () => {
        expect((await latest(handle).describe()).runId).not.toBe(handle.firstExecutionRunId);
        expect(lanes.reading).toHaveLength(3);
      });
      const { phase, state, settings } = await latest(handle).query(statusQuery);
      expect(phase).toBe('running');
      expect(settings.lanes).toBe(3);
      expect(state.assignments).toEqual(before.assignments);
      expect(state.runId).toBe(handle.firstExecutionRunId);
      expect(state.startedAt).toBe(before.startedAt);
      // Each cancelled slice counted one event.
      expect(state.totals.stored).toBe(lanes.started.length - lanes.reading.length);
      expect(lanes.calls.filter((call) => call === 'startRun')).toHaveLength(1);
      expect(lanes.calls).not.toContain('finishRun');
    });
  });

  it('loses no pause that arrives while its lanes hand over', async () => {
    await runScenario({ lanes: 1 }, async ({ handle, lanes }) => {
      const handover = Promise.withResolvers<void>();
      lanes.handover = handover.promise;
      await eventually(() => expect(lanes.reading).toHaveLength(1));
      await fillHistory(handle);
      await handle.signal(pauseSignal);
      handover.resolve();

      await eventually(async () => {
        expect((await latest(handle).describe()).runId).not.toBe(handle.firstExecutionRunId);
        expect((await latest(handle).query(statusQuery)).phase).toBe('paused');
      });
      expect(lanes.reading).toEqual([]);
    });
  });

  it('stops instead when a stop arrives while its lanes hand over', async () => {
    await runScenario({ lanes: 1 }, async ({ handle, lanes }) => {
      const handover = Promise.withResolvers<void>();
      lanes.handover = handover.promise;
      await eventually(() => expect(lanes.reading).toHaveLength(1));
      await fillHistory(handle);
      await handle.signal(stopSignal);
      handover.resolve();

      expect((await handle.result()).phase).toBe('stopped');
      expect((await latest(handle).describe()).runId).toBe(handle.firstExecutionRunId);
    });
  });
});

/** Signals that change nothing, until there are so many that the workflow reacts. */
async function fillHistory(handle: IngestionHandle): Promise<void> {
  while ((await handle.describe()).historyLength <= HISTORY_LIMIT) {
    await Promise.all(Array.from({ length: 100 }, () => handle.signal(resumeSignal)));
  }
}
