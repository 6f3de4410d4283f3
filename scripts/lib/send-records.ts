import { setTimeout as sleep } from 'node:timers/promises';
import type { KafkaClient } from '../../adapters/kafka/client.ts';
import { createEventProducer } from '../../adapters/kafka/producer.ts';
import type { TopicRole } from '../../domain/schemas.ts';

/** A Kafka record for the topic of a role. */
export interface RoleRecord {
  role: TopicRole;
  key: string;
  value: Buffer;
}

export interface SendOptions<T extends RoleRecord> {
  kafka: KafkaClient;
  topics: Readonly<Record<TopicRole, string>>;
  /** Records per second; as fast as Kafka takes them when left out. */
  rate?: number;
  /** Called with each chunk that Kafka has acknowledged; the next one waits for it. */
  onSent?: (chunk: readonly T[]) => void | Promise<void>;
}

const CHUNK_RECORDS = 2_000;

/** Kafka takes 1 MB in one batch by default; a chunk that fell on one partition alone stays below. */
const CHUNK_BYTES = 500_000;

/** With a rate, a chunk is what a tenth of a second may send, so that the stream is even. */
const CHUNKS_PER_SECOND = 10;

/**
 * Sends records in their order.
 * @throws what kafkajs throws when Kafka can't be reached or refuses a record; earlier chunks have been sent
 */
export async function sendRecords<T extends RoleRecord>(
  records: Iterable<T> | AsyncIterable<T>,
  { kafka, topics, rate, onSent }: SendOptions<T>,
): Promise<void> {
  const producer = await createEventProducer(kafka);
  const began = performance.now();
  let sent = 0;
  try {
    const largest = rate === undefined ? CHUNK_RECORDS : Math.ceil(rate / CHUNKS_PER_SECOND);
    for await (const chunk of chunksOf(records, Math.min(largest, CHUNK_RECORDS))) {
      await producer.send(chunk.map(({ role, key, value }) => ({ topic: topics[role], key, value })));
      sent += chunk.length;
      await onSent?.(chunk);
      if (rate !== undefined) await sleep(Math.max(0, began + (sent / rate) * 1_000 - performance.now()));
    }
  } finally {
    await producer.close();
  }
}

async function* chunksOf<T extends RoleRecord>(
  records: Iterable<T> | AsyncIterable<T>,
  most: number,
): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  let bytes = 0;
  for await (const record of records) {
    chunk.push(record);
    bytes += record.value.length;
    if (chunk.length >= most || bytes >= CHUNK_BYTES) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
  }
  if (chunk.length > 0) yield chunk;
}
