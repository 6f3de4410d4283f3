import { expect, it } from 'vitest';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import { kafkaClient, newTopic } from './kafka-harness.ts';

it('tells how long a record may stay: until its segment is closed, and the retention after that', async () => {
  const client = kafkaClient();
  const config = { 'retention.ms': '86400000', 'segment.ms': '3600000' };
  const topic = await newTopic(client, { config });
  const endless = await newTopic(client, { config: { ...config, 'retention.ms': '-1' } });
  const told = await createKafkaAdmin(client).retention([topic, endless, 'kafka-test-there-is-none']);
  expect(told).toHaveLength(2);
  expect(told).toContainEqual({ topic, retentionMs: 90_000_000, compacted: false });
  expect(told).toContainEqual({ topic: endless, retentionMs: null, compacted: false });
});
