import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { LogRange, LogRecord, LogSlice } from '../../activities/ports.ts';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import { createKafka, type KafkaClient } from '../../adapters/kafka/client.ts';
import type { ReaderLimits } from '../../adapters/kafka/fetching.ts';
import { createEventProducer, type OutgoingRecord } from '../../adapters/kafka/producer.ts';
import { createLogReader, type KafkaLogReader } from '../../adapters/kafka/reader.ts';
import type { KafkaLogSession } from '../../adapters/kafka/session.ts';

export function kafkaClient(brokers = process.env.KAFKA_BROKERS): KafkaClient {
  if (!brokers) throw new Error('KAFKA_BROKERS is not set: the global setup of the tests sets it');
  return createKafka({ brokers: brokers.split(','), clientId: 'kafka-test', ssl: false, sasl: null, log: () => {} });
}

/** A topic of this test alone, deleted with it. */
export async function newTopic(
  client: KafkaClient,
  { partitions = 1, config = {} }: { partitions?: number; config?: Record<string, string> } = {},
): Promise<string> {
  const topic = `kafka-test-${randomUUID()}`;
  const admin = createKafkaAdmin(client);
  await admin.createTopics([{ topic, partitions, config }]);
  onTestFinished(() => admin.deleteTopics([topic]));
  return topic;
}

export async function produce(
  client: KafkaClient,
  records: readonly OutgoingRecord[],
  options?: Parameters<typeof createEventProducer>[1],
): Promise<void> {
  const producer = await createEventProducer(client, options);
  await producer.send(records);
  await producer.close();
}

export const outgoing = (topic: string, value: string | null, partition = 0): OutgoingRecord => ({
  topic,
  key: null,
  value: value === null ? null : Buffer.from(value),
  partition,
});

export const numbered = (topic: string, count: number, partition = 0): OutgoingRecord[] =>
  Array.from({ length: count }, (_, index) => outgoing(topic, `value ${index}`, partition));

export function newReader(client: KafkaClient, limits: Partial<ReaderLimits> = {}): KafkaLogReader {
  const reader = createLogReader(client, { maxWaitMs: 500, ...limits });
  onTestFinished(() => reader.close());
  return reader;
}

export function openSession(reader: KafkaLogReader, ranges: readonly LogRange[]): KafkaLogSession {
  const session = reader.open(ranges);
  onTestFinished(() => session.close());
  return session;
}

export const from = (topic: string, offset = 0, to: number | null = null, partition = 0): LogRange => ({
  topic,
  partition,
  from: offset,
  to,
});

export const NEVER = new AbortController().signal;
export const ANY = { maxRecords: 10_000, lingerMs: 0, signal: NEVER };

/** Reads until the predicate is content with all slices so far. */
export async function readUntil(
  session: KafkaLogSession,
  enough: (slices: readonly LogSlice[]) => boolean,
  options: Partial<typeof ANY> = {},
): Promise<LogSlice[]> {
  const slices: LogSlice[] = [];
  while (!enough(slices)) slices.push(...(await session.next({ ...ANY, ...options })));
  return slices;
}

/** Reads finite ranges to their ends. */
export const readAll = (session: KafkaLogSession, options: Partial<typeof ANY> = {}): Promise<LogSlice[]> =>
  readUntil(session, () => session.finished, options);

/** Reads one partition up to an offset. */
export const readTo = (session: KafkaLogSession, offset: number): Promise<LogSlice[]> =>
  readUntil(session, (slices) => (slices.at(-1)?.next ?? 0) >= offset);

export const recordsOf = (slices: readonly LogSlice[]): LogRecord[] => slices.flatMap(({ records }) => records);

export const textsOf = (slices: readonly LogSlice[]): Array<string | null> =>
  recordsOf(slices).map(({ value }) => value?.toString() ?? null);
