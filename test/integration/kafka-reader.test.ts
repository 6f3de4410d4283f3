import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { OffsetOutOfRangeError } from '../../activities/ports.ts';
import type { KafkaClient } from '../../adapters/kafka/client.ts';
import { kafkaTool } from '../../stack/index.ts';
import { spelledOut } from '../unit/kafka/encode-batch.ts';
import {
  ANY,
  from,
  kafkaClient,
  NEVER,
  newReader,
  newTopic,
  numbered,
  openSession,
  outgoing,
  produce,
  readAll,
  readTo,
  recordsOf,
  textsOf,
} from './kafka-harness.ts';

const client = kafkaClient();
const TOPIC_ID: unknown = expect.stringMatching(/^[0-9a-f]{32}$/);
const values = (count: number) => Array.from({ length: count }, (_, index) => `value ${index}`);

describe('a session', () => {
  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'reads batches compressed with %s',
    async (compression) => {
      const topic = await newTopic(client);
      await produce(client, numbered(topic, 500), { compression });
      const slices = await readAll(openSession(newReader(client), [from(topic, 0, 500)]), { maxRecords: 150 });
      expect(textsOf(slices)).toEqual(values(500));
      expect(slices.map((slice) => [slice.from, slice.next])).toEqual([
        [0, 150],
        [150, 300],
        [300, 450],
        [450, 500],
      ]);
    },
  );

  it.each(['gzip', 'snappy', 'lz4', 'zstd'])('reads what a Java producer compresses with %s', async (compression) => {
    const topic = await newTopic(client);
    const properties = [`bootstrap.servers=${process.env.KAFKA_BROKERS}`, `compression.type=${compression}`];
    await kafkaTool('org.apache.kafka.tools.ProducerPerformance', [
      ...['--topic', topic, '--num-records', '300', '--record-size', '400', '--throughput', '-1'],
      ...['--producer-props', ...properties],
    ]);
    const records = recordsOf(await readAll(openSession(newReader(client), [from(topic, 0, 300)])));
    expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: 300 }, (_, index) => index));
    // ProducerPerformance fills its records with capital letters.
    expect(records.every(({ value }) => /^[A-Z]{400}$/.test(value?.toString() ?? ''))).toBe(true);
  });

  it('gives keys, times, headers, tombstones and empty values as they were sent', async () => {
    const topic = await newTopic(client);
    const timestamp = Date.now() - 12_345;
    await produce(client, [
      { topic, key: 'k', value: Buffer.from('v'), timestamp, headers: { trace: 'é', empty: Buffer.alloc(0) } },
      { topic, key: Buffer.from([0, 255]), value: null, timestamp: timestamp - 1 },
      { topic, key: null, value: Buffer.alloc(0), timestamp: timestamp + 1 },
    ]);
    const records = recordsOf(await readAll(openSession(newReader(client), [from(topic, 0, 3)])));
    expect(spelledOut(records)).toEqual([
      {
        offset: 0,
        timestamp,
        key: Buffer.from('k'),
        value: Buffer.from('v'),
        headers: [
          ['trace', Buffer.from('é')],
          ['empty', Buffer.alloc(0)],
        ],
      },
      { offset: 1, timestamp: timestamp - 1, key: Buffer.from([0, 255]), value: null, headers: [] },
      { offset: 2, timestamp: timestamp + 1, key: null, value: Buffer.alloc(0), headers: [] },
    ]);
  });

  it('takes the broker’s time where the topic says so', async () => {
    const topic = await newTopic(client, { config: { 'message.timestamp.type': 'LogAppendTime' } });
    const before = Date.now() - 60_000;
    await produce(client, [{ ...outgoing(topic, 'x'), timestamp: 1_000 }]);
    const [record] = recordsOf(await readAll(openSession(newReader(client), [from(topic, 0, 1)])));
    expect(record?.timestamp).toBeGreaterThan(before);
  });

  it('reads ranges of several partitions to exactly their ends and then asks for nothing more', async () => {
    const topic = await newTopic(client, { partitions: 3 });
    await produce(
      client,
      [0, 1, 2].flatMap((partition) => numbered(topic, 100, partition)),
    );
    const session = openSession(newReader(client), [
      from(topic, 10, 20, 0),
      from(topic, 95, 100, 1),
      from(topic, 50, 50, 2),
    ]);
    const slices = await readAll(session);
    expect(textsOf(slices.filter(({ partition }) => partition === 0))).toEqual(values(20).slice(10));
    expect(textsOf(slices.filter(({ partition }) => partition === 1))).toEqual(values(100).slice(95));
    expect(slices.some(({ partition }) => partition === 2)).toBe(false);
    expect(await session.next(ANY)).toEqual([]);
  });

  it('tells the end of the partition with each slice', async () => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 30));
    const [slice] = await readAll(openSession(newReader(client), [from(topic, 0, 10)]));
    expect(slice).toMatchObject({ next: 10, endOffset: 30 });
  });

  it('is woken by a new record long before the broker’s wait is over', async () => {
    const topic = await newTopic(client);
    const session = openSession(newReader(client, { maxWaitMs: 55_000 }), [from(topic)]);
    const next = session.next(ANY);
    await produce(client, [outgoing(topic, 'new')]);
    expect(textsOf(await next)).toEqual(['new']);
  });

  it('has the broker wait for more while records trickle in, and for the first one otherwise', async () => {
    const topic = await newTopic(client);
    const asked: Array<{ minBytes: number; maxWaitMs: number }> = [];
    const session = openSession(newReader(watched(client, asked), { maxWaitMs: 5_000 }), [from(topic)]);
    const linger = { ...ANY, lingerMs: 40 };
    const first = session.next(linger);
    await produce(client, [outgoing(topic, 'first')]);
    expect(textsOf(await first)).toEqual(['first']);
    // After an answer without records the next request is like the first. One like the one before it is no change: on a
    // busy machine the broker refuses the first for a topic so young, or lets it wait to its end.
    const changes = () => asked.filter((request, place) => request.minBytes !== asked[place - 1]?.minBytes);
    const wanted = [
      { minBytes: 1, maxWaitMs: 5_000 },
      { minBytes: 1_048_576, maxWaitMs: 40 },
      { minBytes: 1, maxWaitMs: 5_000 },
    ];
    await vi.waitFor(() => expect(changes()).toEqual(wanted), 20_000);
    const second = session.next(linger);
    await produce(client, [outgoing(topic, 'second')]);
    expect(textsOf(await second)).toEqual(['second']);
  });

  it('returns nothing at once when it is aborted or closed during a long wait', async () => {
    const topic = await newTopic(client);
    const reader = newReader(client, { maxWaitMs: 55_000 });
    const session = openSession(reader, [from(topic)]);
    const abort = new AbortController();
    const aborted = session.next({ ...ANY, signal: abort.signal });
    abort.abort();
    expect(await aborted).toEqual([]);

    const closed = session.next(ANY);
    await session.close();
    expect(await closed).toEqual([]);
    expect(await session.next(ANY)).toEqual([]);
  });

  it('holds no more than its buffer, and lets no full partition keep the others waiting', async () => {
    const topic = await newTopic(client, { partitions: 3 });
    const value = randomBytes(1_000);
    const batch = (partition: number, count: number) =>
      Array.from({ length: count }, () => ({ topic, key: null, value, partition }));
    for (let round = 0; round < 8; round += 1) await produce(client, batch(0, 500));
    await produce(client, [...batch(1, 20), ...batch(2, 20)]);

    const limits = { maxBufferedBytes: 300_000, maxBytesPerPartition: 50_000, maxWaitMs: 55_000 };
    const session = openSession(newReader(client, limits), [
      from(topic),
      from(topic, 0, null, 1),
      from(topic, 0, null, 2),
    ]);
    let largest = 0;
    const counts = [0, 0, 0];
    let readBeforeOthers: number | null = null;
    while (counts[0] !== 4_000) {
      for (const { partition, records } of await session.next({ ...ANY, maxRecords: 10 })) {
        counts[partition] = (counts[partition] ?? 0) + records.length;
      }
      largest = Math.max(largest, session.bufferedBytes);
      if (readBeforeOthers === null && counts[1] === 20 && counts[2] === 20) readBeforeOthers = counts[0] ?? null;
    }
    // A produced batch of 500 KB is larger than the limits and comes whole.
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThanOrEqual(300_000 + 520_000);
    expect(counts).toEqual([4_000, 20, 20]);
    expect(readBeforeOthers).toBeLessThan(1_000);
  });

  it('shares its buffers with the other sessions of its reader, and has them to itself when those are closed', async () => {
    const topic = await newTopic(client);
    const value = randomBytes(1_000);
    for (let round = 0; round < 40; round += 1) {
      await produce(
        client,
        Array.from({ length: 20 }, () => ({ topic, key: null, value, partition: 0 })),
      );
    }
    const reader = newReader(client, { maxBufferedBytes: 400_000, maxBytesPerPartition: 50_000 });
    const reading = openSession(reader, [from(topic)]);
    const others = [1, 2, 3].map(() => openSession(reader, [from(topic)]));
    const mostWhileReading = async (records: number) => {
      let most = 0;
      for (let left = records; left > 0; ) {
        const slices = await reading.next({ ...ANY, maxRecords: 1 });
        left -= recordsOf(slices).length;
        most = Math.max(most, reading.bufferedBytes);
        await sleep(2); // for fetches to answer
      }
      return most;
    };
    expect(await mostWhileReading(200)).toBeLessThanOrEqual(100_000);
    for (const other of others) await other.close();
    expect(await mostWhileReading(200)).toBeGreaterThan(100_000);
  });

  it('ends a batch with the record that reaches the bytes', async () => {
    const topic = await newTopic(client, { partitions: 2 });
    const value = randomBytes(1_000);
    const batch = (partition: number) => Array.from({ length: 30 }, () => ({ topic, key: null, value, partition }));
    await produce(client, [...batch(0), ...batch(1)]);
    const session = openSession(newReader(client), [from(topic, 0, 30, 0), from(topic, 0, 30, 1)]);
    const counts: number[] = [];
    while (!session.finished) {
      counts.push(recordsOf(await session.next({ ...ANY, lingerMs: 55_000, maxBytes: 24_500 })).length);
    }
    expect(counts).toEqual([25, 25, 10]);
  });

  it('reads a record far larger than its limits, beside others', async () => {
    const topic = await newTopic(client, { partitions: 2, config: { 'max.message.bytes': '6000000' } });
    const large = randomBytes(5_000_000);
    await produce(client, [{ topic, key: null, value: large, partition: 0 }]);
    await produce(client, numbered(topic, 50, 1));
    const limits = { maxBufferedBytes: 100_000, maxBytesPerPartition: 10_000 };
    const slices = await readAll(openSession(newReader(client, limits), [from(topic, 0, 1, 0), from(topic, 0, 50, 1)]));
    expect(recordsOf(slices.filter(({ partition }) => partition === 0))[0]?.value?.equals(large)).toBe(true);
    expect(textsOf(slices.filter(({ partition }) => partition === 1))).toEqual(values(50));
  });

  it('gathers for as long as it may linger', async () => {
    const topic = await newTopic(client);
    await produce(client, [outgoing(topic, 'a')]);
    const session = openSession(newReader(client), [from(topic)]);
    const next = session.next({ maxRecords: 2, lingerMs: 55_000, signal: NEVER });
    await produce(client, [outgoing(topic, 'b')]);
    expect(textsOf(await next)).toEqual(['a', 'b']);
  });
});

describe('an offset out of range', () => {
  it.each([
    ['below the log start', 3],
    ['above the end', 21],
  ])('is told when it is %s', async (_name, offset) => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 20));
    const admin = client.kafka.admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topic); // deleteTopicRecords needs the metadata that this loads
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '5' }] });
    await admin.disconnect();
    const next = openSession(newReader(client), [from(topic, offset)]).next(ANY);
    await expect(next).rejects.toBeInstanceOf(OffsetOutOfRangeError);
    await expect(next).rejects.toMatchObject({
      at: { topic, partition: 0, offset },
      bounds: { earliest: 5, end: 20 },
    });
  });

  it('is told again until the session is closed', async () => {
    const topic = await newTopic(client);
    const session = openSession(newReader(client), [from(topic, 9)]);
    await expect(session.next(ANY)).rejects.toBeInstanceOf(OffsetOutOfRangeError);
    await expect(session.next(ANY)).rejects.toBeInstanceOf(OffsetOutOfRangeError);
  });

  it('is not the end of the log: a position there waits for the next record', async () => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 5));
    const session = openSession(newReader(client), [from(topic, 5)]);
    const read = readTo(session, 6);
    await produce(client, [outgoing(topic, 'next')]);
    expect(textsOf(await read)).toEqual(['next']);
  });
});

describe('questions', () => {
  it('tell the partitions of the topics that exist, in order', async () => {
    const topics = [await newTopic(client, { partitions: 2 }), await newTopic(client)].sort();
    const partitions = await newReader(client).partitions(['kafka-test-missing', ...topics.toReversed()]);
    const counts = new Map(topics.map((topic) => [topic, partitions.filter((one) => one.topic === topic).length]));
    expect([...counts.values()].sort()).toEqual([1, 2]);
    expect(partitions.map(({ topic, partition }) => `${topic} ${partition}`)).toEqual(
      topics.flatMap((topic) => Array.from({ length: counts.get(topic) ?? 0 }, (_, index) => `${topic} ${index}`)),
    );
  });

  it('find no partitions where no topic exists', async () => {
    expect(await newReader(client).partitions(['kafka-test-missing'])).toEqual([]);
    expect(await newReader(client).partitions([])).toEqual([]);
  });

  it('tell the bounds of partitions in the order asked', async () => {
    const topic = await newTopic(client, { partitions: 2 });
    await produce(client, numbered(topic, 7, 1));
    const reader = newReader(client);
    expect(
      await reader.bounds([
        { topic, partition: 1 },
        { topic, partition: 0 },
      ]),
    ).toEqual([
      { topic, partition: 1, earliest: 0, end: 7, topicId: TOPIC_ID },
      { topic, partition: 0, earliest: 0, end: 0, topicId: TOPIC_ID },
    ]);
    await expect(reader.bounds([{ topic, partition: 2 }])).rejects.toThrow(`topic ${topic} has no partition 2`);
  });

  it('find one record, or none where there is none', async () => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 10), { compression: 'zstd' });
    const reader = newReader(client);
    const at = (offset: number) => ({ topic, partition: 0, offset });
    expect((await reader.readOne(at(7)))?.value?.toString()).toBe('value 7');
    expect(await reader.readOne(at(10))).toBeNull();
    expect(await reader.readOne(at(11))).toBeNull();
  });

  it('are answered while a fetch waits at the broker', async () => {
    const topic = await newTopic(client);
    const reader = newReader(client, { maxWaitMs: 55_000 });
    const session = openSession(reader, [from(topic)]);
    const abort = new AbortController();
    const waiting = session.next({ ...ANY, signal: abort.signal });
    expect(await reader.bounds([{ topic, partition: 0 }])).toEqual([
      { topic, partition: 0, earliest: 0, end: 0, topicId: TOPIC_ID },
    ]);
    expect(await reader.readOne({ topic, partition: 0, offset: 0 })).toBeNull();
    abort.abort();
    await waiting;
  });
});

it('warns of no negative timeouts', async () => {
  const warnings: string[] = [];
  const listen = (warning: Error) => warnings.push(warning.name);
  process.on('warning', listen);
  const topic = await newTopic(client);
  await produce(client, numbered(topic, 10));
  await readAll(openSession(newReader(client), [from(topic, 0, 10)]));
  process.off('warning', listen);
  expect(warnings).not.toContain('TimeoutNegativeWarning');
});

/** A client that notes how it asks for records. */
function watched(of: KafkaClient, asked: Array<{ minBytes: number; maxWaitMs: number }>): KafkaClient {
  return {
    ...of,
    openBrokers() {
      const brokers = of.openBrokers();
      return {
        ...brokers,
        fetch(nodeId, request) {
          asked.push({ minBytes: request.minBytes, maxWaitMs: request.maxWaitMs });
          return brokers.fetch(nodeId, request);
        },
      };
    },
  };
}
