// How long live events take from Kafka's timestamp to the commit of their batch, record by record: from the chain of
// batches and from Kafka, so that nothing is rounded into buckets.
import type pg from 'pg';
import type { LogReader, TopicPartition } from '../activities/ports.ts';

/** Where partitions end. */
export type Marks = ReadonlyMap<string, TopicPartition & { offset: number }>;

const key = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;

export async function marksOf(reader: LogReader, topics: readonly string[]): Promise<Marks> {
  const bounds = await reader.bounds(await reader.partitions(topics));
  return new Map(bounds.map((at) => [key(at), { topic: at.topic, partition: at.partition, offset: at.end }]));
}

interface BatchRow {
  topic: string;
  partition: number;
  from: string;
  next: string;
  committed: string;
}

/**
 * Latencies of the records between two marks, in milliseconds, the smallest first.
 * @throws Error for a record that no batch of the group holds
 */
export async function latenciesBetween(
  database: pg.Client,
  reader: LogReader,
  consumerGroup: string,
  before: Marks,
  after: Marks,
): Promise<number[]> {
  const { rows } = await database.query<BatchRow>(
    `SELECT s.topic, p.partition, b.from_offset AS "from", b.next_offset AS next,
       extract(epoch FROM b.committed_at) * 1000 AS committed
     FROM analytics.crm_batches b
     JOIN analytics.crm_positions p USING (position_id)
     JOIN analytics.crm_sources s USING (source_id)
     WHERE p.scope = $1 AND b.kind = 'batch'
     ORDER BY b.from_offset`,
    [consumerGroup],
  );
  const batches = Map.groupBy(rows, key);
  const ranges = [...after.values()].flatMap(({ topic, partition, offset }) => {
    const from = before.get(key({ topic, partition }))?.offset ?? 0;
    return from < offset ? [{ topic, partition, from, to: offset }] : [];
  });
  const session = reader.open(ranges);
  const latencies: number[] = [];
  try {
    while (!session.finished) {
      for (const slice of await session.next({
        maxRecords: 10_000,
        lingerMs: 0,
        signal: AbortSignal.timeout(60_000),
      })) {
        const own = batches.get(key(slice)) ?? [];
        for (const { offset, timestamp } of slice.records) {
          const batch = own.find(({ from, next }) => Number(from) <= offset && offset < Number(next));
          if (batch === undefined) throw new Error(`no batch holds ${key(slice)} at ${offset}`);
          latencies.push(Number(batch.committed) - timestamp);
        }
      }
    }
  } finally {
    await session.close();
  }
  return latencies.toSorted((a, b) => a - b);
}

/** @param sorted the smallest first */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
