import kafkajs, { type Message } from 'kafkajs';
import type { KafkaClient } from './client.ts';

const { CompressionTypes, Partitioners } = kafkajs;

const COMPRESSION = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
} as const;

export interface OutgoingRecord {
  topic: string;
  /** Decides the partition as Java's producers do, unless `partition` is given. */
  key: Buffer | string | null;
  /** Encoded already; null is a tombstone. */
  value: Buffer | null;
  /** Milliseconds since the epoch; default now. */
  timestamp?: number;
  headers?: Readonly<Record<string, Buffer | string>>;
  partition?: number;
}

export interface EventProducer {
  /**
   * Sends records as one batch for each partition; resolves when all replicas in sync have them.
   * @throws when a broker refuses one of the batches: some of the records may have been written
   */
  send(records: readonly OutgoingRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** An idempotent producer: what it sends again after a broken connection is not written twice. */
export async function createEventProducer(
  client: KafkaClient,
  { compression = 'none' }: { compression?: keyof typeof COMPRESSION } = {},
): Promise<EventProducer> {
  const producer = client.kafka.producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  return {
    async send(records) {
      const topicMessages = [...Map.groupBy(records, ({ topic }) => topic)].map(([topic, batch]) => ({
        topic,
        messages: batch.map(toMessage),
      }));
      await producer.sendBatch({ topicMessages, acks: -1, compression: COMPRESSION[compression] });
    },
    close: () => producer.disconnect(),
  };
}

function toMessage({ key, value, timestamp, headers, partition }: OutgoingRecord): Message {
  return {
    key,
    value,
    ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
    ...(headers === undefined ? {} : { headers: { ...headers } }),
    ...(partition === undefined ? {} : { partition }),
  };
}
