import { describe, expect, it } from 'vitest';
import { WriteError } from '../../../activities/ports.ts';
import { createReplayPace } from '../../../activities/replay-pace.ts';

const NEVER = new AbortController().signal;

describe('the pace of a replay', () => {
  it('waits while live reading is behind, says why, and goes on when it has caught up', async () => {
    const lags = [60_000, 100];
    const said: Array<string | null> = [];
    const pace = createReplayPace({
      ratePerSecond: null,
      lag: { events: async () => lags.shift() ?? 0 },
      yieldLag: 50_000,
    });
    await pace.wait(10, NEVER, (reason) => said.push(reason));
    expect(said).toEqual(['waits for live ingestion to catch up', null]);
    expect(lags).toEqual([]);
  });

  it('ends its waiting when it is told to stop', async () => {
    const stop = new AbortController();
    const pace = createReplayPace({ ratePerSecond: null, lag: { events: async () => 1_000_000 }, yieldLag: 1 });
    const waits = pace.wait(10, stop.signal, () => stop.abort());
    await expect(waits).rejects.toThrow(/abort/i);
  });

  it('asks nobody where live reading is not to go first, and seldom otherwise', async () => {
    let asked = 0;
    const lag = { events: async () => ++asked };
    const never = createReplayPace({ ratePerSecond: null, lag, yieldLag: 0 });
    await never.wait(1, NEVER, () => {});
    expect(asked).toBe(0);
    const often = createReplayPace({ ratePerSecond: null, lag, yieldLag: 50_000 });
    for (let batch = 0; batch < 5; batch += 1) await often.wait(1, NEVER, () => {});
    expect(asked).toBe(1);
  });

  it('does not wait for an answer that nobody gives', async () => {
    const lag = { events: () => Promise.reject(new WriteError('57P01')) };
    const said: Array<string | null> = [];
    await createReplayPace({ ratePerSecond: null, lag, yieldLag: 1 }).wait(1, NEVER, (reason) => said.push(reason));
    expect(said).toEqual([null]);
  });
});
