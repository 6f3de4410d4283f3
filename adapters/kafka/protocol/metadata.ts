import { protocolRequest } from './request.ts';
import type { WireReader, WireWriter } from './wire.ts';

/** The first version with topic ids (Kafka 2.8). */
export const METADATA_VERSION = 10;

/** The id that brokers before topic ids, or clusters that have not switched them on, give every topic. */
export const NO_TOPIC_ID = '0'.repeat(32);

export interface TopicMetadata {
  /** 0, or Kafka's error code. */
  errorCode: number;
  name: string;
  /** 32 hexadecimal digits: a topic made again under its name has another one. */
  id: string;
  partitions: Array<{
    errorCode: number;
    partition: number;
    /** Node id; -1 without a leader. */
    leader: number;
  }>;
}

export interface ClusterMetadata {
  clientSideThrottleTime: number;
  brokers: Array<{ nodeId: number; host: string; port: number }>;
  topics: TopicMetadata[];
}

/** Asks for these topics alone, and never creates one. */
export const metadataRequest = (topics: readonly string[]) =>
  protocolRequest('Metadata', METADATA_VERSION, (writer) => write(writer, topics), read);

function write(writer: WireWriter, topics: readonly string[]): void {
  writer
    .noTags() // of the request header
    .compactArray(topics, (topic) => writer.uuid(NO_TOPIC_ID).compactString(topic).noTags())
    .boolean(false) // allow_auto_topic_creation
    .boolean(false) // include_cluster_authorized_operations
    .boolean(false) // include_topic_authorized_operations
    .noTags();
}

function read(reader: WireReader): ClusterMetadata {
  reader.skipTags(); // of the response header
  const clientSideThrottleTime = reader.int32();
  const brokers = reader.compactArray(readBroker);
  reader.compactString(); // cluster_id
  reader.int32(); // controller_id
  return { clientSideThrottleTime, brokers, topics: reader.compactArray(readTopic) };
}

function readBroker(reader: WireReader): ClusterMetadata['brokers'][number] {
  const broker = { nodeId: reader.int32(), host: reader.compactString() ?? '', port: reader.int32() };
  reader.compactString(); // rack
  reader.skipTags();
  return broker;
}

function readTopic(reader: WireReader): TopicMetadata {
  const errorCode = reader.int16();
  const name = reader.compactString() ?? '';
  const id = reader.uuid();
  reader.boolean(); // is_internal
  const partitions = reader.compactArray(readPartition);
  reader.int32(); // topic_authorized_operations
  reader.skipTags();
  return { errorCode, name, id, partitions };
}

function readPartition(reader: WireReader): TopicMetadata['partitions'][number] {
  const partition = { errorCode: reader.int16(), partition: reader.int32(), leader: reader.int32() };
  reader.int32(); // leader_epoch
  for (let nodeList = 0; nodeList < 3; nodeList += 1) reader.compactArray(() => reader.int32()); // replicas, in sync, offline
  reader.skipTags();
  return partition;
}
