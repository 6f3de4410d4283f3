import { READ_COMMITTED } from './isolation.ts';
import { protocolRequest } from './request.ts';
import type { WireReader, WireWriter } from './wire.ts';

const VERSION = 2; // the first with an isolation level (Kafka 0.11), spoken by Kafka 4.x too

/** Asks for the end of a partition (its last stable offset) or its log start instead of a time. */
export const LATEST = -1;
export const EARLIEST = -2;

export interface ListedOffset {
  topic: string;
  partition: number;
  errorCode: number;
  /** -1 when no record is of the time or later. */
  offset: number;
}

export interface ListOffsetsAnswer {
  clientSideThrottleTime: number;
  offsets: ListedOffset[];
}

/**
 * Asks the leader of these partitions for their ends, their beginnings, or their first records of a time or later.
 * @param timestamp LATEST, EARLIEST, or milliseconds since the epoch
 */
export const listOffsetsRequest = (
  partitions: ReadonlyArray<{ topic: string; partition: number }>,
  timestamp: number,
) => protocolRequest('ListOffsets', VERSION, (writer) => write(writer, partitions, timestamp), read);

function write(
  writer: WireWriter,
  partitions: ReadonlyArray<{ topic: string; partition: number }>,
  timestamp: number,
): void {
  writer
    .int32(-1) // replica_id: a consumer
    .int8(READ_COMMITTED)
    .array(partitions, ({ topic, partition }) =>
      writer.string(topic).array([partition], () => writer.int32(partition).int64(timestamp)),
    );
}

function read(reader: WireReader): ListOffsetsAnswer {
  const clientSideThrottleTime = reader.int32();
  const topics = reader.array(() => {
    const topic = reader.string();
    return reader.array(() => {
      const partition = reader.int32();
      const errorCode = reader.int16();
      reader.int64(); // timestamp
      return { topic, partition, errorCode, offset: reader.int64() };
    });
  });
  return { clientSideThrottleTime, offsets: topics.flat() };
}
