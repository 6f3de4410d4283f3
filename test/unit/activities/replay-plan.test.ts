import { describe, expect, it } from 'vitest';
import type { PartitionBounds } from '../../../activities/ports.ts';
import { planReplay, type ReplayPlanDeps } from '../../../activities/replay-plan.ts';
import type { ReplaySelection, TouchedRange } from '../../../activities/replay-ports.ts';
import { InvalidSelectionError } from '../../../activities/replay-ranges.ts';

const HOUR = 3_600_000;
const TOPIC = 'crm.leads';
const bounds = (partition: number, earliest: number, end: number): PartitionBounds => ({
  topic: TOPIC,
  partition,
  earliest,
  end,
  topicId: 'x',
});

/** A log whose record at offset n is of the time n × `step`. */
function logOf(partitions: PartitionBounds[], { step = 1, touched = [] as TouchedRange[] } = {}): ReplayPlanDeps {
  const refused = () => Promise.reject(new Error('no files'));
  return {
    topics: [TOPIC, 'crm.contacts'],
    chunkBytes: 1,
    files: { list: refused, scan: refused },
    replays: { touched: async () => touched },
    reader: {
      partitions: async (topics) => partitions.filter(({ topic }) => topics.includes(topic)),
      // A cluster answers by leader.
      bounds: async (asked) =>
        partitions.filter((at) => asked.some(({ partition }) => partition === at.partition)).toReversed(),
      offsetsAt: async (asked, time) =>
        asked.toReversed().map(({ topic, partition }) => {
          const { earliest, end } = partitions.find((at) => at.partition === partition) ?? bounds(0, 0, 0);
          const offset = Math.max(earliest, Math.ceil(time / step));
          return { topic, partition, offset: offset < end ? offset : null };
        }),
    },
  };
}

const CONTROL = { signal: new AbortController().signal, onProgress: () => {} };

/** Parts as `partition: from-to`. */
async function planned(deps: ReplayPlanDeps, selection: ReplaySelection, lanes = 4): Promise<string[]> {
  const { parts } = await planReplay(deps, { selection, lanes }, CONTROL);
  return parts.map((part) => part.map(({ partition, from, to }) => `${partition}: ${from}-${to}`).join(', '));
}

const offsets = (...ranges: Array<{ partition?: number; from?: number; to?: number }>): ReplaySelection => ({
  by: 'offsets',
  ranges: ranges.map((range) => ({ topic: TOPIC, ...range })),
});

describe('ranges of offsets', () => {
  it('are fixed, and those that meet are read once', async () => {
    const deps = logOf([bounds(0, 0, 100), bounds(1, 0, 50)]);
    expect(await planned(deps, offsets({}))).toEqual(['1: 0-50, 0: 0-100']);
    const overlapping = offsets({ partition: 0, from: 10, to: 30 }, { partition: 0, from: 20, to: 40 });
    expect(await planned(deps, overlapping)).toEqual(['0: 10-40']);
    const apart = offsets({ partition: 0, to: 10 }, { partition: 0, from: 90 });
    expect(await planned(deps, apart)).toEqual(['0: 0-10', '0: 90-100']);
  });

  it('tell what is deleted of them, also when that is all', async () => {
    const deps = logOf([bounds(0, 40, 100)]);
    const { parts } = await planReplay(deps, { selection: offsets({ from: 10, to: 60 }), lanes: 1 }, CONTROL);
    expect(parts).toMatchObject([[{ from: 40, to: 60, lost: 30 }]]);
    const gone = await planReplay(deps, { selection: offsets({ from: 10, to: 20 }), lanes: 1 }, CONTROL);
    expect(gone.parts).toMatchObject([[{ from: 40, to: 40, lost: 10 }]]);
  });

  it.each([
    ['beyond the end', offsets({ from: 0, to: 101 })],
    ['backwards', offsets({ from: 20, to: 10 })],
    ['of no partition', offsets({ partition: 7 })],
    ['of a topic that Kafka lacks', { by: 'offsets', ranges: [{ topic: 'crm.contacts' }] }],
    ['of a topic that nobody ingests', { by: 'offsets', ranges: [{ topic: 'secret' }] }],
  ] as Array<[string, ReplaySelection]>)('%s are refused', async (_, selection) => {
    await expect(planned(logOf([bounds(0, 0, 100)]), selection)).rejects.toThrow(InvalidSelectionError);
  });
});

describe('parts', () => {
  it('give each lane some, with ranges of several partitions at a time', async () => {
    const deps = logOf([0, 1, 2, 3, 4, 5].map((partition) => bounds(partition, 0, 100_000)));
    const parts = await planned(deps, offsets({}), 4);
    expect(parts).toHaveLength(12);
    expect(new Set(parts.flatMap((part) => part.split(', '))).size).toBe(12);
    const small = logOf([0, 1, 2, 3, 4, 5].map((partition) => bounds(partition, 0, 10_000)));
    expect(await planned(small, offsets({}), 4)).toHaveLength(2);
  });

  it('of one long partition are ranges of it that join', async () => {
    const parts = await planned(logOf([bounds(0, 0, 400_000)]), offsets({}), 2);
    expect(parts).toEqual(['0: 0-100000', '0: 100000-200000', '0: 200000-300000', '0: 300000-400000']);
  });
});

describe('a range of time', () => {
  it('begins and ends with the first records of its times', async () => {
    const deps = logOf([bounds(0, 0, 100), bounds(1, 0, 40)], { step: 1_000 });
    const at = (second: number) => new Date(second * 1_000).toISOString();
    const selection = { by: 'time', topics: [TOPIC], from: at(10), to: at(50) } as const;
    expect((await planned(deps, selection)).join().split(', ').toSorted()).toEqual(['0: 10-50', '1: 10-40']);
    const reversed = { ...selection, from: at(50), to: at(10) };
    await expect(planned(deps, reversed)).rejects.toThrow(InvalidSelectionError);
  });
});

describe('what a run has read', () => {
  const read = { topic: TOPIC, partition: 0, sourceId: 1, topicId: 'x', replaced: false, from: 5, to: 25 };

  it('is read again, as far as it is there', async () => {
    const touched = [read, { ...read, from: 60, to: 70 }];
    const { parts } = await planReplay(
      logOf([bounds(0, 10, 100)], { touched }),
      { selection: { by: 'run', runId: 'r' }, lanes: 1 },
      CONTROL,
    );
    expect(parts).toMatchObject([[{ from: 10, to: 25, lost: 5 }], [{ from: 60, to: 70, lost: 0 }]]);
  });

  it.each([
    ['nothing', []],
    ['a topic that was made again', [{ ...read, replaced: true }]],
    ['a topic of another id', [{ ...read, topicId: 'y' }]],
  ])('is refused when it is %s', async (_, touched) => {
    const deps = logOf([bounds(0, 0, 100)], { touched });
    await expect(planned(deps, { by: 'run', runId: 'r' })).rejects.toThrow(InvalidSelectionError);
  });
});

describe('windows of time', () => {
  const windows = { by: 'windows', topics: [TOPIC], windowHours: 1 } as const;
  const from = new Date(0).toISOString();
  const to = new Date(3 * HOUR).toISOString();

  it('are read in the order that was asked for, without a gap', async () => {
    const deps = logOf([bounds(0, 0, 90)], { step: HOUR / 30 });
    const oldest = await planned(deps, { ...windows, order: 'oldest-first', from, to });
    expect(oldest).toEqual(['0: 0-30', '0: 30-60', '0: 60-90']);
    expect(await planned(deps, { ...windows, order: 'newest-first', from, to })).toEqual(oldest.toReversed());
  });

  it('of whole topics begin with the oldest record, whatever order a cluster answers in', async () => {
    const first = Math.floor(Date.now() / HOUR) - 5;
    const deps = logOf([bounds(0, first, first + 5), bounds(1, first + 2, first + 3)], { step: HOUR });
    const parts = await planned(deps, { ...windows, order: 'oldest-first' });
    const ranges = parts.flatMap((part) => part.split(', '));
    expect(ranges).toHaveLength(6);
    expect(ranges.filter((range) => range.startsWith('1: '))).toEqual([`1: ${first + 2}-${first + 3}`]);
  });

  it('are refused when there would be too many', async () => {
    const deps = logOf([bounds(0, 0, 90)]);
    const since = { ...windows, order: 'oldest-first', from: new Date(0).toISOString() } as const;
    await expect(planned(deps, since)).rejects.toThrow(/more than 10000 windows/);
  });
});
