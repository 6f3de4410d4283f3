import { READ_COMMITTED } from './isolation.ts';
import { protocolRequest } from './request.ts';
import type { WireReader, WireWriter } from './wire.ts';

/** Names topics; the last version that does (Kafka 2.7). */
export const FETCH_BY_NAME = 12;
/** Names topics by their ids (Kafka 3.1): a topic made again under its name is refused instead of served. */
export const FETCH_BY_ID = 13;

export interface FetchPartition {
  topic: string;
  topicId: string;
  partition: number;
  offset: number;
}

export interface FetchRequest {
  version: typeof FETCH_BY_NAME | typeof FETCH_BY_ID;
  /** Milliseconds that the broker may wait for `minBytes`. */
  maxWaitMs: number;
  minBytes: number;
  /** Of the whole answer and of each partition; a first batch larger than that is sent all the same. */
  maxBytes: number;
  maxBytesPerPartition: number;
  /** The broker fills its answer in this order. */
  partitions: readonly FetchPartition[];
}

export interface AbortedTransaction {
  producerId: bigint;
  firstOffset: number;
}

export interface FetchedPartition {
  /** Name or id, as the request's version has it. */
  topic: string;
  partition: number;
  errorCode: number;
  lastStableOffset: number;
  abortedTransactions: AbortedTransaction[];
  /** Record batches, of which the last may be cut off. */
  recordSet: Buffer;
}

export interface FetchAnswer {
  clientSideThrottleTime: number;
  errorCode: number;
  partitions: FetchedPartition[];
}

const EMPTY = Buffer.alloc(0);

/** Asks a leader for records. Without a fetch session: each request says all. */
export const fetchRequest = (request: FetchRequest) =>
  protocolRequest(
    'Fetch',
    request.version,
    (writer) => write(writer, request),
    (reader) => read(reader, request.version),
    request.maxWaitMs,
  );

function write(writer: WireWriter, request: FetchRequest): void {
  writer
    .noTags() // of the request header
    .int32(-1) // replica_id: a consumer
    .int32(request.maxWaitMs)
    .int32(request.minBytes)
    .int32(request.maxBytes)
    .int8(READ_COMMITTED)
    .int32(0) // session_id
    .int32(-1) // session_epoch
    .compactArray(request.partitions, (partition) => writePartition(writer, partition, request))
    .compactArray([], () => {}) // forgotten_topics_data
    .compactString('') // rack_id
    .noTags();
}

/** A topic may come several times: that keeps the order of partitions of several topics. */
function writePartition(writer: WireWriter, fetched: FetchPartition, request: FetchRequest): void {
  const named = request.version === FETCH_BY_ID ? writer.uuid(fetched.topicId) : writer.compactString(fetched.topic);
  named
    .compactArray([fetched], ({ partition, offset }) =>
      writer
        .int32(partition)
        .int32(-1) // current_leader_epoch
        .int64(offset)
        .int32(-1) // last_fetched_epoch
        .int64(-1) // log_start_offset
        .int32(request.maxBytesPerPartition)
        .noTags(),
    )
    .noTags();
}

function read(reader: WireReader, version: FetchRequest['version']): FetchAnswer {
  reader.skipTags(); // of the response header
  const clientSideThrottleTime = reader.int32();
  const errorCode = reader.int16();
  reader.int32(); // session_id
  const topics = reader.compactArray(() => {
    const topic = version === FETCH_BY_ID ? reader.uuid() : (reader.compactString() ?? '');
    const partitions = reader.compactArray(() => readPartition(reader, topic));
    reader.skipTags();
    return partitions;
  });
  return { clientSideThrottleTime, errorCode, partitions: topics.flat() };
}

function readPartition(reader: WireReader, topic: string): FetchedPartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  reader.int64(); // high_watermark
  const lastStableOffset = reader.int64();
  reader.int64(); // log_start_offset
  const abortedTransactions = reader.compactArray(() => {
    const transaction = { producerId: reader.id64(), firstOffset: reader.int64() };
    reader.skipTags();
    return transaction;
  });
  reader.int32(); // preferred_read_replica
  const recordSet = reader.compactBytes() ?? EMPTY;
  reader.skipTags();
  return { topic, partition, errorCode, lastStableOffset, abortedTransactions, recordSet };
}
