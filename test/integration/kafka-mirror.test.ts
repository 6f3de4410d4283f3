import { randomUUID } from 'node:crypto';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createPositionMirror } from '../../adapters/kafka/mirror.ts';
import { kafkaTool } from '../../stack/index.ts';
import { kafkaClient, newTopic, numbered, produce } from './kafka-harness.ts';

const client = kafkaClient();

function newMirror(groupId: string, topics: string[]) {
  const options = { groupId, topics, sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 };
  const mirror = createPositionMirror(client, options);
  onTestFinished(() => mirror.close());
  return {
    ...mirror,
    /** As its users do: what a starting coordinator or a rebalance refuses is published again. */
    publishUntilDone: (positions: Parameters<typeof mirror.publish>[0]) =>
      vi.waitFor(() => mirror.publish(positions), { timeout: 30_000 }),
  };
}

async function committed(groupId: string, topic: string): Promise<number[]> {
  const admin = client.kafka.admin();
  await admin.connect();
  const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
  await admin.disconnect();
  return (offsets?.partitions ?? []).toSorted((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
}

describe('the position mirror', () => {
  it('shows positions and lag to Kafka’s own tool', async () => {
    const groupId = `kafka-test-${randomUUID()}`;
    const topic = await newTopic(client, { partitions: 2 });
    await produce(client, [...numbered(topic, 10, 0), ...numbered(topic, 10, 1)]);
    const mirror = newMirror(groupId, [topic]);
    await mirror.publishUntilDone([
      { topic, partition: 0, offset: 4 },
      { topic, partition: 1, offset: 10 },
    ]);
    const output = await kafkaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
      ...['--bootstrap-server', process.env.KAFKA_BROKERS ?? ''],
      ...['--describe', '--group', groupId],
    ]);
    // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
    const rows = [...output.matchAll(/^\S+\s+kafka-test-\S+\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)/gm)].map((row) =>
      row.slice(1),
    );
    expect(rows.sort()).toEqual([
      ['0', '4', '10', '6'],
      ['1', '10', '10', '0'],
    ]);
  });

  it('moves positions back too', async () => {
    const groupId = `kafka-test-${randomUUID()}`;
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 10));
    const mirror = newMirror(groupId, [topic]);
    for (const offset of [8, 2]) await mirror.publishUntilDone([{ topic, partition: 0, offset }]);
    expect(await committed(groupId, topic)).toEqual([2]);
  });

  it('goes on while other members come and go', async () => {
    const groupId = `kafka-test-${randomUUID()}`;
    const topic = await newTopic(client, { partitions: 2 });
    const [first, second] = [newMirror(groupId, [topic]), newMirror(groupId, [topic])];
    const publish = (mirror: typeof first, offset: number) =>
      mirror.publishUntilDone([0, 1].map((partition) => ({ topic, partition, offset })));
    await publish(first, 1);
    await publish(second, 2);
    expect(await committed(groupId, topic)).toEqual([2, 2]);
    await publish(first, 3);
    await second.close();
    await publish(first, 4);
    expect(await committed(groupId, topic)).toEqual([4, 4]);
  });

  it('says which group it could not publish to', async () => {
    const groupId = `kafka-test-${randomUUID()}`;
    const mirror = newMirror(groupId, ['kafka-test-missing']);
    await expect(mirror.publish([{ topic: 'kafka-test-missing', partition: 0, offset: 1 }])).rejects.toThrow(groupId);
  });
});
