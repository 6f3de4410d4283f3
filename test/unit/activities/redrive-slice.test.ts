import { describe, expect, it } from 'vitest';
import { WriteError } from '../../../activities/ports.ts';
import type { Redrive, RedrivePage } from '../../../activities/redrive-ports.ts';
import {
  type PageWork,
  runRedriveSlice,
  type SliceDeps,
  UnknownRedriveError,
} from '../../../activities/redrive-slice.ts';
import { NO_REDRIVE_COUNTS, type RedriveSliceProgress } from '../../../workflows/contracts.ts';

const REDRIVE: Redrive = {
  redriveId: 'r',
  action: 'redrive',
  filter: {},
  fix: null,
  reason: null,
  ratePerSecond: 100,
  force: false,
  status: 'running',
  lastFailedId: 100,
  total: 5,
  counts: NO_REDRIVE_COUNTS,
  requestedBy: 'ann',
  requestedAt: '2026-11-20T00:00:00.000Z',
  decidedBy: null,
  decidedAt: null,
  finishedAt: null,
};

/** Five pages of one event each, whose writes end when the test says so. */
function setUp({ redrive = REDRIVE as Redrive | null, pages = 5 } = {}) {
  const abort = new AbortController();
  const reports: RedriveSliceProgress[] = [];
  const writes = new Map<number, PromiseWithResolvers<void>>();
  const redrives: SliceDeps['redrives'] = {
    get: async () => redrive,
    page: async (_, { after }) =>
      after < pages ? ({ failedIds: [after + 1], leftOut: 0, last: after + 1 } satisfies RedrivePage) : null,
  };
  const work: PageWork<number> = {
    prepare: async (_, { last }) => last,
    async write(_, id) {
      const write = Promise.withResolvers<void>();
      writes.set(id, write);
      await write.promise;
      return { ...NO_REDRIVE_COUNTS, processed: 1 };
    },
  };
  const run = (after = 0) =>
    runRedriveSlice(
      { redrives, mostRedrives: 3 },
      work,
      { redriveId: 'r', after, ratePerSecond: 100_000, sliceMs: 60_000 },
      {
        signal: abort.signal,
        report: (progress) => reports.push(progress),
      },
    );
  const written = async (id: number) => {
    await expect.poll(() => writes.has(id)).toBe(true);
    return writes.get(id)!;
  };
  return { abort, reports, writes, redrives, work, run, written };
}

describe('a slice of a redrive', () => {
  it('writes two pages side by side, and reports only what all before are written, too', async () => {
    const { run, written, writes, reports } = setUp();
    const slice = run();
    await written(1);
    (await written(2)).resolve();
    await new Promise(setImmediate);
    expect(writes.has(3)).toBe(false);
    expect(reports).toEqual([]);
    (await written(1)).resolve();
    for (const id of [3, 4, 5]) (await written(id)).resolve();
    expect(await slice).toEqual({ after: 5, counts: { ...NO_REDRIVE_COUNTS, processed: 5 }, done: true });
    expect(reports.map(({ after }) => after)).toEqual([1, 2, 3, 4, 5]);
  });

  it('finishes what is being written when it is told to stop, and begins nothing new', async () => {
    const { run, written, writes, abort } = setUp();
    const slice = run();
    const first = await written(1);
    const second = await written(2);
    abort.abort();
    first.resolve();
    second.resolve();
    expect(await slice).toEqual({ after: 2, counts: { ...NO_REDRIVE_COUNTS, processed: 2 }, done: false });
    expect(writes.has(3)).toBe(false);
  });

  it('is not done when the last page could not be written before it was told to stop', async () => {
    const { run, written, abort } = setUp({ pages: 1 });
    const slice = run();
    const last = await written(1);
    abort.abort();
    last.reject(abort.signal.reason);
    expect(await slice).toEqual({ after: 0, counts: NO_REDRIVE_COUNTS, done: false });
  });

  it('fails with the write that failed, after the others have ended', async () => {
    const { run, written } = setUp({ pages: 2 });
    const slice = run();
    slice.catch(() => {});
    (await written(1)).reject(new TypeError('a defect'));
    (await written(2)).resolve();
    await expect(slice).rejects.toThrow('a defect');
  });

  it('waits for a server that does not answer, and says why', async () => {
    const { run, redrives, reports } = setUp({ pages: 0 });
    const page = redrives.page;
    let asked = 0;
    redrives.page = async (...window) => {
      asked += 1;
      if (asked === 1) throw new WriteError('ECONNREFUSED');
      return page(...window);
    };
    expect(await run()).toMatchObject({ done: true });
    expect(reports[0]?.trouble).toContain('ECONNREFUSED');
  });

  it('has nothing to do for a redrive that has ended, and fails for one that never was', async () => {
    const { run, writes } = setUp({ redrive: { ...REDRIVE, status: 'cancelled' } });
    expect(await run()).toEqual({ after: 0, counts: NO_REDRIVE_COUNTS, done: true });
    expect(writes.size).toBe(0);
    await expect(setUp({ redrive: null }).run()).rejects.toThrow(UnknownRedriveError);
  });
});
