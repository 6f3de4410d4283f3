// The records of a lap, out of topics that hold them.
import type { LogReader, TopicPartition } from '../../activities/ports.ts';
import { interleave, type Lap } from './schedule.ts';
import { type Stampable, stampable } from './stamp.ts';

export interface LapRecord extends Stampable {
  key: Buffer | null;
}

const READ_TIMEOUT_MS = 60_000;

/**
 * Reads what the topics `from` hold now.
 * @param most so many records at most, the same number of each partition
 * @throws Error for a record that is no event
 */
export async function readLap(
  reader: LogReader,
  topics: ReadonlyArray<{ from: string; to: string }>,
  most = Number.POSITIVE_INFINITY,
): Promise<Lap & { records: LapRecord[] }> {
  const sources = await reader.partitions(topics.map(({ from }) => from));
  const targets = new Map(topics.map(({ from, to }) => [from, to]));
  const read: LapRecord[][] = [];
  for (const source of sources) read.push(await readPartition(reader, source, Math.ceil(most / sources.length)));
  const order = interleave(read.map(({ length }) => length));
  const taken = read.map(() => 0);
  const records = Array.from(order, (stream) => {
    const nth = taken[stream] ?? 0;
    taken[stream] = nth + 1;
    return read[stream]?.[nth] as LapRecord;
  });
  const streams = sources.map(({ topic, partition }) => ({ topic: targets.get(topic) ?? topic, partition }));
  return { streams, order, records };
}

async function readPartition(reader: LogReader, at: TopicPartition, most: number): Promise<LapRecord[]> {
  const [bounds] = await reader.bounds([at]);
  if (bounds === undefined || bounds.earliest === bounds.end) return [];
  const to = Math.min(bounds.end, bounds.earliest + most);
  const session = reader.open([{ ...at, from: bounds.earliest, to }]);
  const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
  const records: LapRecord[] = [];
  try {
    while (!session.finished) {
      signal.throwIfAborted();
      for (const slice of await session.next({ maxRecords: 10_000, lingerMs: 0, signal })) {
        for (const { key, value } of slice.records) {
          if (value === null) throw new Error(`${at.topic}: a tombstone is no event`);
          records.push({ ...stampable(Buffer.from(value)), key: key && Buffer.from(key) });
        }
      }
    }
  } finally {
    await session.close();
  }
  return records;
}
