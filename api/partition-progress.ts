/** Puts together what the workflow, PostgreSQL and Kafka know of each partition. */
import type { PartitionBounds, Store, TopicPartition } from '../activities/ports.ts';
import type { IngestionReport } from '../workflows/control-port.ts';

type Position = Awaited<ReturnType<Store['positions']['list']>>[number];

export interface Progress extends TopicPartition {
  /** The lane that reads it; null when none does. */
  lane: number | null;
  /** Next offset to read. */
  position: number | null;
  /** Last stable offset. */
  end: number | null;
  lagEvents: number | null;
  /** Age of the last committed record while there is more to read; 0 without lag, null before the first record. */
  lagSeconds: number | null;
  committedAt: string | null;
}

/** Those the workflow reads and those that have a position, once each and in order. */
export function partitionsOf(report: IngestionReport, known: readonly Position[]): TopicPartition[] {
  const all = [...(report.state?.partitions ?? []), ...known];
  const unique = new Map(all.map(({ topic, partition }) => [keyOf({ topic, partition }), { topic, partition }]));
  return [...unique.values()].sort(
    (a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0) || a.partition - b.partition,
  );
}

/** What is unknown is null. @param found `now` in milliseconds since the epoch */
export function progressOf(
  listed: readonly TopicPartition[],
  found: { report: IngestionReport; known: readonly Position[]; ends: readonly PartitionBounds[]; now: number },
): Progress[] {
  const positions = new Map(found.known.map((position) => [keyOf(position), position]));
  const ends = new Map(found.ends.map((bound) => [keyOf(bound), bound.end]));
  const lanes = new Map(found.report.lanes.flatMap((lane) => lane.partitions.map((id) => [keyOf(id), lane.lane])));
  return listed.map(({ topic, partition }) => {
    const key = keyOf({ topic, partition });
    const position = positions.get(key);
    const end = ends.get(key) ?? null;
    const lagEvents = position === undefined || end === null ? null : Math.max(0, end - position.nextOffset);
    return {
      topic,
      partition,
      lane: lanes.get(key) ?? null,
      position: position?.nextOffset ?? null,
      end,
      lagEvents,
      lagSeconds: lagSecondsOf(lagEvents, position?.lastRecordTimestamp ?? null, found.now),
      committedAt: position?.updatedAt ?? null,
    };
  });
}

function lagSecondsOf(lagEvents: number | null, lastRecordTimestamp: number | null, now: number): number | null {
  if (lagEvents === 0) return 0;
  if (lagEvents === null || lastRecordTimestamp === null || lastRecordTimestamp < 0) return null;
  return Math.max(0, Math.round(now - lastRecordTimestamp) / 1_000);
}

/** A total over parts of which one is unknown would be too small, so it is unknown as well. */
export function lagOf(partitions: readonly Progress[]): { events: number | null; seconds: number | null } {
  const events = partitions.map(({ lagEvents }) => lagEvents);
  const seconds = partitions.map(({ lagSeconds }) => lagSeconds);
  return {
    events: everyNumber(events) ? events.reduce((sum, lag) => sum + lag, 0) : null,
    seconds: everyNumber(seconds) ? seconds.reduce((most, lag) => Math.max(most, lag), 0) : null,
  };
}

function everyNumber(values: readonly (number | null)[]): values is number[] {
  return values.every((value) => value !== null);
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
