import type { PartitionId } from './contracts.ts';

/**
 * Deals partitions to lanes, each to exactly one. Sticky: a partition keeps its lane as long as the number of lanes
 * stays, and a new one goes to the lane with the fewest. When the number changes, as few as possible move until no
 * lane has more than one partition more than another.
 * @returns lane number → its partitions, ordered
 */
export function deal(
  partitions: readonly PartitionId[],
  lanes: number,
  previous: ReadonlyArray<readonly PartitionId[]>,
): PartitionId[][] {
  const homeless = new Map(partitions.map((partition) => [nameOf(partition), partition]));
  const dealt = Array.from({ length: lanes }, (_, lane) =>
    (previous[lane] ?? []).filter((partition) => homeless.delete(nameOf(partition))),
  );
  for (const partition of [...homeless.values()].sort(byName)) {
    extremes(dealt).emptiest.push(partition);
  }
  if (previous.length !== lanes) {
    level(dealt);
  }
  return dealt.map((lane) => lane.sort(byName));
}

export function samePartitions(a: readonly PartitionId[], b: readonly PartitionId[]): boolean {
  return a.length === b.length && a.every((partition, index) => sharesName(partition, b[index]));
}

export function overlaps(a: readonly PartitionId[], b: readonly PartitionId[]): boolean {
  return a.some((partition) => b.some((other) => sharesName(partition, other)));
}

/** For example `crm.leads[0,3] crm.contacts[1]`. */
export function describePartitions(partitions: readonly PartitionId[]): string {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
  }
  return [...byTopic].map(([topic, numbers]) => `${topic}[${numbers.join(',')}]`).join(' ');
}

function level(dealt: PartitionId[][]): void {
  for (;;) {
    const { fullest, emptiest } = extremes(dealt);
    if (fullest.length - emptiest.length <= 1) {
      return;
    }
    emptiest.push(...fullest.splice(-1));
  }
}

/** The first of the lanes with the most and with the fewest partitions. */
function extremes(dealt: PartitionId[][]): { fullest: PartitionId[]; emptiest: PartitionId[] } {
  const [first, ...others] = dealt;
  if (first === undefined) {
    throw new RangeError('partitions need at least one lane');
  }
  return others.reduce(
    ({ fullest, emptiest }, lane) => ({
      fullest: lane.length > fullest.length ? lane : fullest,
      emptiest: lane.length < emptiest.length ? lane : emptiest,
    }),
    { fullest: first, emptiest: first },
  );
}

function nameOf({ topic, partition }: PartitionId): string {
  return `${topic}[${partition}]`;
}

function sharesName(a: PartitionId, b: PartitionId | undefined): boolean {
  return a.topic === b?.topic && a.partition === b.partition;
}

function byName(a: PartitionId, b: PartitionId): number {
  if (a.topic !== b.topic) {
    return a.topic < b.topic ? -1 : 1;
  }
  return a.partition - b.partition;
}
