import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { createWatchPartitions } from '../../../activities/watch.ts';
import type { PartitionId } from '../../../workflows/contracts.ts';
import { leads } from '../../workflows/fake-lanes.ts';

const HOUR_MS = 3_600_000;

/** Watches topics that look like this, look after look; the last stays. */
function watching(known: PartitionId[], looks: PartitionId[][], durationMs = HOUR_MS) {
  const environment = new MockActivityEnvironment();
  let taken = 0;
  const reader = {
    partitions: async () => {
      taken += 1;
      return looks[Math.min(taken, looks.length) - 1] ?? [];
    },
  };
  const watch = createWatchPartitions({ reader, intervalMs: 1 });
  return {
    environment,
    looks: () => taken,
    result: environment.run(watch, { topics: ['crm.leads'], known, durationMs }),
  };
}

describe('watching partitions', () => {
  it('waits for a topic that does not exist yet', async () => {
    const { result, looks } = watching([], [[], [], leads(0, 1)]);

    expect(await result).toEqual(leads(0, 1));
    expect(looks()).toBe(3);
  });

  it('tells of a new partition at once', async () => {
    const { result, looks } = watching(leads(0), [leads(0), leads(0, 1)]);

    expect(await result).toEqual(leads(0, 1));
    expect(looks()).toBe(2);
  });

  it('believes that partitions are gone only after three looks in a row', async () => {
    const { result, looks } = watching(leads(0, 1), [[], leads(0, 1), [], [], leads(0)]);

    expect(await result).toEqual(leads(0));
    expect(looks()).toBe(5);
  });

  it('returns what was known when its time is up', async () => {
    const { result } = watching(leads(0), [leads(0)], 20);

    expect(await result).toEqual(leads(0));
  });

  it('returns what was known when cancelled', async () => {
    const { environment, result } = watching(leads(0), [leads(0)]);
    environment.cancel();

    expect(await result).toEqual(leads(0));
  });
});
