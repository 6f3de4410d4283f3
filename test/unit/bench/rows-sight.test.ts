import { describe, expect, it } from 'vitest';
import { countVisible } from '../../../bench/latency/rows-sight.ts';

describe('countVisible', () => {
  it('finds exactly how far each stream is visible', async () => {
    const visible = [1, 50, 1_000, 7];
    const areThere = async (probes: ReadonlyArray<{ stream: number; nth: number }>) =>
      probes.map(({ stream, nth }) => nth < visible[stream]!);
    const streams = [
      { stream: 0, nth: 0, end: 1 },
      { stream: 1, nth: 49, end: 400 },
      { stream: 2, nth: 0, end: 5_000 },
      { stream: 3, nth: 3, end: 7 },
    ];
    expect(await countVisible(streams, areThere)).toEqual(visible.map((count, stream) => ({ stream, visible: count })));
  });

  it('asks a few times, however many records may be there', async () => {
    let asked = 0;
    const areThere = async (probes: ReadonlyArray<{ nth: number }>) => {
      asked += 1;
      return probes.map(({ nth }) => nth < 123_456);
    };
    await countVisible([{ stream: 0, nth: 0, end: 1_000_000 }], areThere);
    expect(asked).toBeLessThanOrEqual(6);
  });
});
