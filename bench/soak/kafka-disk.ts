import kafkajs from 'kafkajs';
import type { KafkaClient } from '../../adapters/kafka/client.ts';

/** Whoever keeps up is seconds behind. */
export const KEPT_MINUTES = 5;

/** Small segments, of which those are deleted that nobody has written to for so long. */
const SETTINGS = { 'retention.ms': KEPT_MINUTES * 60_000, 'segment.bytes': 64 * 2 ** 20 };

/** Makes Kafka drop what is older than a few minutes, so that a long stream does not fill the disk. */
export async function keepShort({ kafka }: KafkaClient, topics: readonly string[]): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.alterConfigs({
      validateOnly: false,
      resources: topics.map((name) => ({
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name,
        configEntries: Object.entries(SETTINGS).map(([key, value]) => ({ name: key, value: String(value) })),
      })),
    });
  } finally {
    await admin.disconnect();
  }
}
