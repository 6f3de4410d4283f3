import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { createMirrorPositions } from '../../../activities/mirror.ts';
import { eventually } from '../../workflows/eventually.ts';

type Published = Array<{ topic: string; partition: number; offset: number }>;

function mirroring(publish: (positions: Published) => Promise<void>) {
  const environment = new MockActivityEnvironment();
  const log = { published: [] as Published[], closed: 0, nextOffset: 5 };
  const mirror = createMirrorPositions({
    store: {
      positions: {
        list: async () => [
          {
            topic: 'crm.leads',
            partition: 0,
            nextOffset: log.nextOffset,
            owner: null,
            updatedAt: '2026-11-20T12:00:00.000Z',
            lastRecordTimestamp: null,
          },
        ],
      },
    },
    openMirror: () => ({
      publish: async (positions) => {
        log.published.push([...positions]);
        await publish([...positions]);
      },
      close: async () => {
        log.closed += 1;
      },
    }),
    intervalMs: 1,
  });
  return { environment, log, result: environment.run(mirror, { consumerGroup: 'analytics', durationMs: 3_600_000 }) };
}

describe('mirroring positions', () => {
  it('publishes again and again, and once more with the final positions when cancelled', async () => {
    const { environment, log, result } = mirroring(async () => {});
    await eventually(() => expect(log.published.length).toBeGreaterThan(2));
    expect(log.published[0]).toEqual([{ topic: 'crm.leads', partition: 0, offset: 5 }]);

    log.nextOffset = 9;
    environment.cancel();
    await result;
    expect(log.published.at(-1)).toEqual([{ topic: 'crm.leads', partition: 0, offset: 9 }]);
    expect(log.closed).toBe(1);
  });

  it('survives a group that refuses it', async () => {
    const { environment, log, result } = mirroring(async () => {
      throw new Error('not authorized');
    });
    await eventually(() => expect(log.published.length).toBeGreaterThan(2));
    environment.cancel();

    await result;
    expect(log.closed).toBe(1);
  });

  it('ends although the broker never answers', async () => {
    const { environment, log, result } = mirroring(() => new Promise(() => {}));
    await eventually(() => expect(log.published).toHaveLength(1));
    environment.cancel();

    await expect(result).resolves.toBeUndefined();
  });
});
