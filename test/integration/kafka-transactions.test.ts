import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Producer, Transaction } from 'kafkajs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  ANY,
  from,
  kafkaClient,
  newReader,
  newTopic,
  openSession,
  outgoing,
  produce,
  readAll,
  readTo,
  recordsOf,
  textsOf,
} from './kafka-harness.ts';

const client = kafkaClient();

async function transactionalProducer(): Promise<Producer> {
  const producer = client.kafka.producer({
    transactionalId: `kafka-test-${randomUUID()}`,
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  return producer;
}

const send = (transaction: Transaction, topic: string, values: string[]) =>
  transaction.send({ topic, messages: values.map((value) => ({ value, partition: 0 })) });

/** Waits for the marker as well: Kafka answers before it is written, and what others send may get its offset. */
async function inTransaction(producer: Producer, topic: string, values: string[], end: 'commit' | 'abort') {
  const before = await endOf(topic);
  const transaction = await producer.transaction();
  await send(transaction, topic, values);
  await transaction[end]();
  await vi.waitFor(async () => expect(await endOf(topic)).toBe(before + values.length + 1), { timeout: 10_000 });
}

const endOf = async (topic: string): Promise<number> => {
  const [bounds] = await newReader(client).bounds([{ topic, partition: 0 }]);
  return bounds?.end ?? 0;
};

describe('transactions', () => {
  it('show what is committed and nothing of what is aborted, and every offset is accounted for', async () => {
    const topic = await newTopic(client);
    const producer = await transactionalProducer();
    await inTransaction(producer, topic, ['a', 'b'], 'commit'); // 0, 1, marker 2
    await inTransaction(producer, topic, ['x', 'y'], 'abort'); // 3, 4, marker 5
    await produce(client, [outgoing(topic, 'plain')]); // 6
    await inTransaction(producer, topic, ['c'], 'commit'); // 7, marker 8
    const slices = await readAll(openSession(newReader(client), [from(topic, 0, 9)]));
    expect(recordsOf(slices).map(({ offset }) => offset)).toEqual([0, 1, 6, 7]);
    expect(textsOf(slices)).toEqual(['a', 'b', 'plain', 'c']);
    expect(slices.reduce((sum, slice) => sum + slice.next - slice.from - slice.records.length, 0)).toBe(5);
  });

  it('that are aborted at the tail bring the position to the end of the log', async () => {
    const topic = await newTopic(client);
    const producer = await transactionalProducer();
    await produce(client, [outgoing(topic, 'last')]);
    await inTransaction(producer, topic, ['x', 'y', 'z'], 'abort');
    const end = await endOf(topic);
    const slices = await readTo(openSession(newReader(client), [from(topic)]), end);
    expect(textsOf(slices)).toEqual(['last']);
    expect(slices.at(-1)).toMatchObject({ next: 5, endOffset: 5 });
  });

  it('that are open keep what follows back until they end', async () => {
    const topic = await newTopic(client);
    const producer = await transactionalProducer();
    const open = await producer.transaction();
    await send(open, topic, ['held']);
    await produce(client, [outgoing(topic, 'after')]);
    expect(await endOf(topic)).toBe(0);

    const session = openSession(newReader(client, { maxWaitMs: 55_000 }), [from(topic)]);
    const abort = new AbortController();
    const nothing = session.next({ ...ANY, signal: abort.signal });
    expect(await newReader(client).readOne({ topic, partition: 0, offset: 1 })).toBeNull();
    abort.abort();
    expect(await nothing).toEqual([]);

    await open.commit();
    expect(textsOf(await readTo(session, 3))).toEqual(['held', 'after']);
  });

  it('that are aborted have no records to ask for, and neither have markers', async () => {
    const topic = await newTopic(client);
    await inTransaction(await transactionalProducer(), topic, ['x'], 'abort');
    await produce(client, [outgoing(topic, 'next')]);
    const reader = newReader(client);
    expect(await reader.readOne({ topic, partition: 0, offset: 0 })).toBeNull();
    expect(await reader.readOne({ topic, partition: 0, offset: 1 })).toBeNull();
    expect((await reader.readOne({ topic, partition: 0, offset: 2 }))?.value?.toString()).toBe('next');
  });
});

describe('a compacted topic', () => {
  const COMPACTED = {
    'cleanup.policy': 'compact',
    'segment.ms': '100',
    'min.cleanable.dirty.ratio': '0.001',
    'min.compaction.lag.ms': '0',
    'delete.retention.ms': '0',
    'file.delete.delay.ms': '0',
  };

  const keyed = (topic: string, keys: readonly string[], value: string | null) =>
    keys.map((key) => ({ ...outgoing(topic, value), key }));

  /** Compaction runs in the background: writes what makes segments roll until offset 0 is gone. */
  async function waitForCompaction(topic: string): Promise<void> {
    const reader = newReader(client);
    while ((await reader.readOne({ topic, partition: 0, offset: 0 })) !== null) {
      await sleep(300);
      await produce(client, keyed(topic, ['roll'], 'roll'));
    }
  }

  it('is read over its gaps, with every offset accounted for', async () => {
    const topic = await newTopic(client, { config: COMPACTED });
    const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`);
    await produce(client, keyed(topic, keys, 'old'));
    await produce(client, keyed(topic, keys, 'new'));
    await waitForCompaction(topic);
    const end = await endOf(topic);
    const slices = await readAll(openSession(newReader(client), [from(topic, 0, end)]), { maxRecords: 7 });
    const records = recordsOf(slices);
    const newest = new Map(records.map(({ key, value }) => [key?.toString(), value?.toString()]));
    expect(newest).toEqual(new Map([...keys.map((key) => [key, 'new'] as const), ['roll', 'roll']]));
    expect(records.length).toBeLessThan(end);
    expect(slices.map((slice) => slice.from)).toEqual([0, ...slices.map(({ next }) => next)].slice(0, -1));
    expect(slices.at(-1)?.next).toBe(end);
  });

  it('ends a range in a gap exactly', async () => {
    const topic = await newTopic(client, { config: COMPACTED });
    await produce(client, keyed(topic, ['a', 'b', 'c', 'a', 'b', 'c'], 'x'));
    await produce(client, keyed(topic, ['a', 'b', 'c'], 'y'));
    await waitForCompaction(topic);
    const slices = await readAll(openSession(newReader(client), [from(topic, 1, 4)]));
    expect(recordsOf(slices)).toEqual([]);
    expect([slices[0]?.from, slices.at(-1)?.next]).toEqual([1, 4]);
  });
});
