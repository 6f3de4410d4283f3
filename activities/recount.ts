import type { LogReader, TopicPartition } from './ports.ts';

const RECORDS_AT_ONCE = 10_000;

/**
 * Reads a range again and counts its records, without decoding any.
 * @param range must end at or before the end of the log
 * @throws OffsetOutOfRangeError when Kafka deletes the range meanwhile; the signal's reason when it aborts
 */
export async function recount(
  reader: Pick<LogReader, 'open'>,
  range: TopicPartition & { from: number; to: number },
  signal: AbortSignal,
): Promise<number> {
  const session = reader.open([range]);
  let records = 0;
  try {
    while (!session.finished) {
      const slices = await session.next({ maxRecords: RECORDS_AT_ONCE, lingerMs: 0, signal });
      signal.throwIfAborted();
      records += slices.reduce((sum, slice) => sum + slice.records.length, 0);
    }
    return records;
  } finally {
    await session.close();
  }
}
