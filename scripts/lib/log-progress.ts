/** Where the log ends and where an ingestion stands in it. */
import { type DatabasePool, sql } from 'slonik';
import { z } from 'zod';
import type { LogReader, TopicPartition } from '../../activities/ports.ts';
import type { Range } from './truth.ts';

export interface Progress extends TopicPartition {
  /** First offset that Kafka still has, and the one after the last. */
  earliest: number;
  end: number;
  /** Next offset to be ingested; null before the ingestion has begun with the partition. */
  next: number | null;
  /** Of the topic, as the ingestion counts it. */
  incarnation: number;
}

export interface Ingestion {
  reader: LogReader;
  pool: DatabasePool;
  topics: readonly string[];
  consumerGroup: string;
}

const positionRow = z.object({
  topic: z.string(),
  partition: z.number(),
  incarnation: z.number(),
  next_offset: z.number(),
});

/** @throws what Kafka or PostgreSQL fail with when they don't answer */
export async function readProgress({ reader, pool, topics, consumerGroup }: Ingestion): Promise<Progress[]> {
  const bounds = await reader.bounds(await reader.partitions(topics));
  const positions = await pool.any(sql.type(positionRow)`
    SELECT s.topic, p.partition, s.incarnation, p.next_offset FROM analytics.crm_positions p
    JOIN analytics.crm_sources s ON s.source_id = p.source_id
    WHERE p.scope = ${consumerGroup} COLLATE "C" AND p.end_offset IS NULL AND NOT p.closed
  `);
  return bounds.map(({ topic, partition, earliest, end }) => {
    const position = positions.find((at) => at.topic === topic && at.partition === partition);
    return {
      topic,
      partition,
      earliest,
      end,
      next: position?.next_offset ?? null,
      incarnation: position?.incarnation ?? 1,
    };
  });
}

/** Records that are not ingested yet; infinitely many before the ingestion has begun with every partition. */
export function lagOf(progress: readonly Progress[]): number {
  return progress.reduce((sum, { end, next }) => sum + Math.max(0, end - (next ?? Number.NEGATIVE_INFINITY)), 0);
}

/** Everything that Kafka holds, to be read back for the truth; from an offset on where one is given. */
export function rangesOf(progress: readonly Progress[], fromOf: (at: TopicPartition) => number = () => 0): Range[] {
  return progress.map(({ topic, partition, earliest, end, incarnation }) => ({
    topic,
    partition,
    from: Math.max(earliest, fromOf({ topic, partition })),
    end,
    incarnation,
  }));
}
