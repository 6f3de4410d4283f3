import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  breakBetween,
  type ChainStep,
  type ChainSums,
  identitiesOf,
  imbalanceOf,
  type LocatedBreak,
  type Moved,
  NO_SUMS,
  netMoves,
  uncovered,
  verdictOf,
  walkChain,
} from '../../../domain/books.ts';
import { addCounts } from '../../../domain/counts.ts';

/** A chain as lanes write it: batches one after another, jumps in either direction, each claim in a higher epoch. */
const soundChain = fc
  .record({
    start: fc.nat(1_000),
    moves: fc.array(
      fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({ kind: fc.constant('batch' as const), by: fc.integer({ min: 1, max: 50 }) }),
        },
        {
          weight: 1,
          arbitrary: fc.record({ kind: fc.constant('seek' as const), by: fc.integer({ min: -60, max: 60 }) }),
        },
        {
          weight: 1,
          arbitrary: fc.record({ kind: fc.constant('retention' as const), by: fc.integer({ min: 1, max: 60 }) }),
        },
      ),
      { minLength: 1, maxLength: 40 },
    ),
  })
  .map(({ start, moves }) => {
    let at = start;
    let epoch = 1;
    return moves.map(({ kind, by }): ChainStep => {
      const step = { kind, epoch, from: at, next: Math.max(0, at + by) };
      at = step.next;
      // A jump is the last step of its epoch.
      epoch += kind === 'batch' ? 0 : 1;
      return step;
    });
  });

function walk(steps: readonly ChainStep[], position = steps.at(-1)?.next ?? 0) {
  const chain = walkChain();
  for (const step of steps) chain.take(step);
  return chain.finish(position);
}

describe('a chain', () => {
  it('has no break when each step starts where the last one ended, however it jumped', () => {
    fc.assert(
      fc.property(soundChain, (steps) => {
        const { breaks, jumps } = walk(steps);
        expect(breaks).toEqual([]);
        expect(jumps).toEqual(
          steps.filter(({ kind }) => kind !== 'batch').map(({ kind, from, next }) => ({ kind, from, to: next })),
        );
      }),
    );
  });

  it('has a gap of the very offsets of a batch that is missing, also at its end', () => {
    fc.assert(
      fc.property(soundChain, fc.nat(), (steps, pick) => {
        const at = pick % steps.length;
        const gone = steps[at] as ChainStep;
        // Nothing before the first step says where a chain began.
        fc.pre(at > 0 && gone.kind === 'batch');
        const { breaks } = walk(steps.toSpliced(at, 1), steps.at(-1)?.next);
        expect(breaks).toEqual([{ kind: 'gap', from: gone.from, to: gone.next }]);
      }),
    );
  });

  it('has an overlap of the very offsets that a batch has twice', () => {
    fc.assert(
      fc.property(soundChain, fc.nat(), (steps, pick) => {
        const at = pick % steps.length;
        const twice = steps[at] as ChainStep;
        fc.pre(twice.kind === 'batch');
        const { breaks } = walk(steps.toSpliced(at, 0, twice));
        expect(breaks).toEqual([{ kind: 'overlap', from: twice.from, to: twice.next }]);
      }),
    );
  });

  it('has no break anywhere when two of its steps are folded into one', () => {
    fc.assert(
      fc.property(soundChain, fc.nat(), (steps, pick) => {
        const at = pick % steps.length;
        const [first, second] = [steps[at], steps[at + 1]];
        fc.pre(first?.kind === 'batch' && second?.kind === 'batch');
        const folded = { ...(first as ChainStep), next: (second as ChainStep).next };
        expect(walk(steps.toSpliced(at, 2, folded))).toEqual(walk(steps));
      }),
    );
  });

  it('breaks at its end when the position stands elsewhere, and is no chain without steps', () => {
    const steps: ChainStep[] = [{ kind: 'batch', epoch: 1, from: 0, next: 10 }];
    expect(walk(steps, 15).breaks).toEqual([{ kind: 'gap', from: 10, to: 15 }]);
    expect(walk(steps, 7).breaks).toEqual([{ kind: 'overlap', from: 7, to: 10 }]);
    expect(walk([], 15)).toEqual({ breaks: [], jumps: [] });
    expect(breakBetween(3, 3)).toBeNull();
  });
});

const STATUSES = ['processed', 'skipped', 'filtered', 'failed', 'dead', 'discarded'] as const;
const count = fc.nat(10_000);
const sums = fc.record<ChainSums>({
  records: count,
  stored: count,
  skipped: count,
  conflicts: count,
  changed: count,
  filtered: count,
  failed: count,
  dead: count,
  tombstones: count,
  parked: count,
  absent: count,
  batches: count,
});
const moves = fc.array(
  fc.record<Moved>({
    from: fc.constantFrom('unread', 'failed', 'dead', 'discarded'),
    to: fc.constantFrom(...STATUSES),
    events: fc.integer({ min: 1, max: 1_000 }),
  }),
  { maxLength: 20 },
);

describe('the identities', () => {
  it('hold when the tables follow the chain and every move, and name the one that a stray row breaks', () => {
    const names = fc.constantFrom('failed' as const, 'dead' as const, 'discarded' as const, 'parked' as const);
    fc.assert(
      fc.property(sums, moves, names, (chain, moved, stray) => {
        const tables = { failed: chain.failed, dead: chain.dead, discarded: 0, parked: chain.parked };
        for (const { from, to, events } of moved) {
          if (from !== 'unread') tables[from] -= events;
          if (to === 'failed' || to === 'dead' || to === 'discarded') tables[to] += events;
        }
        const sound = identitiesOf(chain, moved, tables);
        expect(verdictOf([], sound)).toEqual({ balanced: true, reasons: [] });
        expect(imbalanceOf(sound)).toBe(0);

        const broken = identitiesOf(chain, moved, { ...tables, [stray]: tables[stray] + 1 });
        expect(verdictOf([], broken).reasons).toEqual([
          `${stray}: the books say ${tables[stray]}, the tables hold ${tables[stray] + 1}`,
        ]);
        expect(imbalanceOf(broken)).toBe(1);
      }),
    );
  });

  it('do not let two faults cancel each other', () => {
    const identities = identitiesOf(NO_SUMS, [], { failed: 1, dead: -1, discarded: 0, parked: 0 });
    expect(imbalanceOf(identities)).toBe(2);
  });
});

describe('moves', () => {
  it('never make or lose an event that was read', () => {
    fc.assert(
      fc.property(moves, (moved) => {
        const net = STATUSES.reduce((sum, status) => sum + netMoves(moved, status), 0);
        const unread = moved.filter(({ from }) => from === 'unread').reduce((sum, { events }) => sum + events, 0);
        expect(net).toBe(unread);
      }),
    );
  });
});

describe('sums', () => {
  it('add up field by field', () => {
    fc.assert(
      fc.property(sums, sums, (a, b) => {
        const both = addCounts(a, b);
        for (const key of Object.keys(NO_SUMS) as Array<keyof ChainSums>) expect(both[key]).toBe(a[key] + b[key]);
      }),
    );
  });
});

describe('a verdict', () => {
  it('says where a chain breaks', () => {
    const at = { topic: 'crm.leads', incarnation: 1, partition: 3, scope: 'group' };
    const breaks: LocatedBreak[] = [
      { ...at, kind: 'gap', from: 10, to: 20 },
      { ...at, incarnation: 2, kind: 'overlap', from: 5, to: 6 },
    ];
    expect(verdictOf(breaks, [])).toEqual({
      balanced: false,
      reasons: [
        'crm.leads[3]: no batch accounts for the offsets 10 up to 20 (chain of group)',
        'crm.leads[3] (incarnation 2): two batches account for the offsets 5 up to 6 (chain of group)',
      ],
    });
  });
});

describe('what nobody has read of a range', () => {
  it('is all of it without spans, and nothing where they cover it', () => {
    expect(uncovered([], { from: 3, to: 9 })).toEqual([{ from: 3, to: 9 }]);
    expect(
      uncovered(
        [
          { from: 0, to: 6 },
          { from: 5, to: 20 },
        ],
        { from: 3, to: 9 },
      ),
    ).toEqual([]);
    expect(uncovered([{ from: 0, to: 20 }], { from: 9, to: 3 })).toEqual([]);
  });

  it('is every offset that lies in no span', () => {
    const span = fc.tuple(fc.nat(30), fc.nat(10)).map(([from, length]) => ({ from, to: from + length }));
    fc.assert(
      fc.property(fc.array(span, { maxLength: 6 }), span, (spans, range) => {
        const holes = uncovered(spans, range);
        const isIn = (offset: number) => (at: { from: number; to: number }) => at.from <= offset && offset < at.to;
        for (let offset = 0; offset < 50; offset += 1) {
          const missing = isIn(offset)(range) && !spans.some(isIn(offset));
          expect(holes.filter(isIn(offset))).toHaveLength(missing ? 1 : 0);
        }
      }),
    );
  });
});
