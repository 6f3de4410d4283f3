import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionId } from '../../../workflows/contracts.ts';
import { deal, describePartitions } from '../../../workflows/deal.ts';

const partitionSets = fc.uniqueArray(
  fc.record({ topic: fc.constantFrom('crm.leads', 'crm.contacts', 'crm.events'), partition: fc.nat(40) }),
  { selector: nameOf, maxLength: 60 },
);
const laneCounts = fc.integer({ min: 1, max: 12 });

describe('deal', () => {
  it('puts every partition into exactly one lane, whatever was dealt before', () => {
    fc.assert(
      fc.property(partitionSets, laneCounts, partitionSets, laneCounts, (before, lanesBefore, now, lanes) => {
        const dealt = deal(now, lanes, deal(before, lanesBefore, []));

        expect(dealt).toHaveLength(lanes);
        expect(dealt.flat().map(nameOf).sort()).toEqual(now.map(nameOf).sort());
      }),
    );
  });

  it('balances within one at first and whenever the number of lanes changes', () => {
    fc.assert(
      fc.property(partitionSets, laneCounts, laneCounts, (partitions, lanesBefore, lanes) => {
        const before = deal(partitions, lanesBefore, []);

        expect(spread(before)).toBeLessThanOrEqual(1);
        expect(spread(deal(partitions, lanes, before))).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('stays balanced when partitions are added', () => {
    fc.assert(
      fc.property(partitionSets, fc.nat(), laneCounts, (all, some, lanes) => {
        const before = deal(all.slice(0, some % (all.length + 1)), lanes, []);

        expect(spread(deal(all, lanes, before))).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('moves no partition while the number of lanes stays, whatever comes and goes', () => {
    fc.assert(
      fc.property(partitionSets, partitionSets, laneCounts, (before, now, lanes) => {
        const first = deal(before, lanes, []);
        const second = deal(now, lanes, first);

        expect(moved(first, second)).toEqual([]);
      }),
    );
  });

  it('moves as few as possible when lanes are added', () => {
    fc.assert(
      fc.property(partitionSets, laneCounts, laneCounts, (partitions, lanes, more) => {
        const first = deal(partitions, lanes, []);
        const second = deal(partitions, lanes + more, first);

        // The new lanes have to get their share from somewhere, and nothing else has a reason to move.
        expect(moved(first, second)).toHaveLength(second.slice(lanes).flat().length);
      }),
    );
  });

  it('moves only the partitions of lanes that go when lanes are removed', () => {
    fc.assert(
      fc.property(partitionSets, laneCounts, laneCounts, (partitions, lanes, more) => {
        const first = deal(partitions, lanes + more, []);
        const second = deal(partitions, lanes, first);

        expect(moved(first, second).sort()).toEqual(first.slice(lanes).flat().map(nameOf).sort());
      }),
    );
  });

  it('leaves what it was given alone', () => {
    const previous = deal([{ topic: 'crm.leads', partition: 0 }], 1, []);
    deal([], 2, previous);

    expect(previous).toEqual([[{ topic: 'crm.leads', partition: 0 }]]);
  });

  it('refuses to deal to no lane', () => {
    expect(() => deal([{ topic: 'crm.leads', partition: 0 }], 0, [])).toThrow('at least one lane');
  });
});

describe('describePartitions', () => {
  it('groups by topic', () => {
    const partitions = [
      { topic: 'crm.contacts', partition: 1 },
      { topic: 'crm.leads', partition: 0 },
      { topic: 'crm.leads', partition: 3 },
    ];

    expect(describePartitions(partitions)).toBe('crm.contacts[1] crm.leads[0,3]');
  });
});

function nameOf({ topic, partition }: PartitionId): string {
  return `${topic}[${partition}]`;
}

function spread(dealt: PartitionId[][]): number {
  const sizes = dealt.map((lane) => lane.length);
  return Math.max(...sizes) - Math.min(...sizes);
}

/** Names of the partitions that both deals have, in different lanes. */
function moved(first: PartitionId[][], second: PartitionId[][]): string[] {
  const laneNow = new Map(second.flatMap((lane, number) => lane.map((partition) => [nameOf(partition), number])));
  return first.flatMap((lane, number) =>
    lane.map(nameOf).filter((name) => laneNow.has(name) && laneNow.get(name) !== number),
  );
}
