import { describe, expect, it } from 'vitest';
import { createSchedule } from '../../../bench/latency/schedule.ts';
import { rateWhileSent } from '../../../bench/soak/maximum.ts';
import { memoryOf, windowsOf } from '../../../bench/soak/windows.ts';

const MINUTE_MS = 60_000;
const MEBIBYTE = 2 ** 20;

describe('windowsOf', () => {
  it('tells each minute by itself: what was due in it and what was held', () => {
    const minutes = 25;
    const schedule = createSchedule({ streams: [{ topic: 'leads', partition: 0 }], order: Uint16Array.from([0]) }, 1);
    const records = minutes * 60;
    // Seen a millisecond after it was due; those of the third minute only at its end.
    const sightings = Array.from({ length: records }, (_, nth) => ({ at: nth * 1_000 + 1, visible: nth + 1 }));
    const stalled = sightings.filter((_, nth) => nth < 120 || nth >= 179);
    const rss = [
      { at: 500 + 10, bytes: 3 * MEBIBYTE },
      { at: 500 + MINUTE_MS, bytes: 7 * MEBIBYTE },
    ];
    const windows = windowsOf({ schedule, sightings: [stalled], startAt: 500 }, rss, minutes);
    expect(windows).toHaveLength(minutes);
    expect(windows.map(({ latency }) => latency.records)).toEqual(windows.map(() => 60));
    expect(windows.map(({ latency }) => latency.max > 1)).toEqual(windows.map((_, index) => index === 2));
    expect(windows.slice(0, 3).map((window) => window.rss)).toEqual([3, 7, null]);
  });
});

describe('memoryOf', () => {
  it('leaves the warm-up out', () => {
    const rss = [0, 1, 2, 3].map((minute) => ({ at: 500 + minute * MINUTE_MS, bytes: (100 + minute) * MEBIBYTE }));
    expect(memoryOf({ startAt: 500 }, rss, 1, 3)).toEqual([
      { x: 1, y: 101 },
      { x: 2, y: 102 },
    ]);
  });
});

describe('rateWhileSent', () => {
  it('counts what was seen of each stream until the sending ended', () => {
    const behind = [
      { at: 900, visible: 10 },
      { at: 2_000, visible: 30 },
      { at: 2_001, visible: 40 },
    ];
    const late = [{ at: 2_500, visible: 70 }];
    expect(rateWhileSent({ sightings: [behind, late, []] }, 2)).toBe(15);
  });
});
