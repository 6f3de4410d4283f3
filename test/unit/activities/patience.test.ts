import { describe, expect, it } from 'vitest';
import { untilAborted } from '../../../activities/patience.ts';

const NEVER_DONE = new Promise<void>(() => {});

describe('waiting for work', () => {
  it('ends with the work', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const order: string[] = [];
    const waiting = untilAborted(promise, new AbortController().signal).then(() => order.push('waited'));
    order.push('done');
    resolve();
    await waiting;
    expect(order).toEqual(['done', 'waited']);
  });

  it('ends when the signal aborts, however long the work goes on', async () => {
    const controller = new AbortController();
    const waiting = untilAborted(NEVER_DONE, controller.signal);
    controller.abort();
    await expect(waiting).resolves.toBeUndefined();
  });

  it('does not begin when it has aborted before', async () => {
    await expect(untilAborted(NEVER_DONE, AbortSignal.abort())).resolves.toBeUndefined();
  });
});
