/** Whether coordinates that somebody asks for can name a record at all. */
import { type LogReader, LogUnavailableError, type PartitionBounds } from './ports.ts';
import type { Coordinates, CoordinatesProblem } from './retry-ports.ts';

export type Located = { problem: null; bounds: PartitionBounds } | { problem: CoordinatesProblem; detail: string };

/**
 * Asks Kafka what it has at these coordinates.
 * @param topics those that are ingested; nobody reads any other through us
 * @throws LogUnavailableError when Kafka can't be asked
 */
export async function locate(
  reader: Pick<LogReader, 'partitions' | 'bounds'>,
  topics: readonly string[],
  { topic, partition, offset }: Coordinates,
): Promise<Located> {
  const partitions = topics.includes(topic) ? await asked(() => reader.partitions([topic])) : [];
  if (partitions.length === 0) {
    const reason = topics.includes(topic) ? 'does not exist in Kafka' : 'is none of those that are ingested';
    return { problem: 'unknown-topic', detail: `The topic ${reason}; ingested are ${topics.join(', ')}.` };
  }
  if (!partitions.some((existing) => existing.partition === partition)) {
    return {
      problem: 'unknown-partition',
      detail: `${topic} has the partitions 0 to ${partitions.length - 1}, ${partition} is none of them.`,
    };
  }
  const [bounds] = await asked(() => reader.bounds([{ topic, partition }]));
  if (bounds === undefined) {
    throw new LogUnavailableError(`Kafka did not tell the bounds of ${topic}[${partition}]`);
  }
  if (offset >= bounds.end) {
    return {
      problem: 'offset-not-written',
      detail: `${topic}[${partition}] is written and committed up to offset ${bounds.end - 1}; ${offset} is still to come.`,
    };
  }
  if (offset < bounds.earliest) {
    return {
      problem: 'offset-deleted',
      detail: `${topic}[${partition}] begins at offset ${bounds.earliest}; retention has deleted ${offset}.`,
    };
  }
  return { problem: null, bounds };
}

/** Puts a question to Kafka. @throws LogUnavailableError whatever went wrong: the reader's words hold no payload */
export async function asked<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    if (error instanceof LogUnavailableError) {
      throw error;
    }
    throw new LogUnavailableError(`Kafka did not answer: ${error instanceof Error ? error.message : 'unknown'}`);
  }
}
