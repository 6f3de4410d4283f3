import { describe, expect, it } from 'vitest';
import type { DueRetry } from '../../../activities/failed-ports.ts';
import { createRetryScheduler } from '../../../adapters/retries/scheduler.ts';

function due(count: number): DueRetry[] {
  return Array.from({ length: count }, (_, failedId) => ({ failedId, attempts: 0, dueAt: 0 }));
}

/** A scheduler over a queue that answers when it is told to. */
function scheduling({ isReady = true } = {}) {
  const adds: Array<{ count: number } & PromiseWithResolvers<void>> = [];
  const scheduler = createRetryScheduler(
    (retries) => {
      const answer = Promise.withResolvers<void>();
      adds.push({ count: retries.length, ...answer });
      return answer.promise;
    },
    () => isReady,
  );
  return { scheduler, adds, sent: () => adds.map(({ count }) => count) };
}

describe('scheduling retries', () => {
  it('sends them without waiting for an answer', () => {
    const { scheduler, sent } = scheduling();
    scheduler.schedule(due(3));
    scheduler.schedule([]);
    scheduler.schedule(due(2));
    expect(sent()).toEqual([3, 2]);
  });

  it('sends nothing while Redis is away', () => {
    const { scheduler, sent } = scheduling({ isReady: false });
    scheduler.schedule(due(3));
    expect(sent()).toEqual([]);
  });

  it('holds no more than so many in memory while Redis is slow, and goes on when it answers', async () => {
    const { scheduler, adds, sent } = scheduling();
    scheduler.schedule(due(9_000));
    scheduler.schedule(due(2_000));
    expect(sent()).toEqual([9_000]);
    adds[0]!.resolve();
    await expect
      .poll(() => {
        scheduler.schedule(due(2_000));
        return sent().length;
      })
      .toBe(2);
  });

  it('takes a failure for an answer', async () => {
    const { scheduler, adds, sent } = scheduling();
    scheduler.schedule(due(10_000));
    adds[0]!.reject(new Error('Redis went away'));
    await expect
      .poll(() => {
        scheduler.schedule(due(1));
        return sent().length;
      })
      .toBe(2);
  });
});
