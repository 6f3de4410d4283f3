import type { Admin } from 'kafkajs';
import type { KafkaClient } from './client.ts';

export interface TopicSettings {
  topic: string;
  partitions: number;
  /** Default: what the brokers have as their default. */
  replicationFactor?: number;
  /** Topic configuration such as `retention.ms`. */
  config?: Readonly<Record<string, string>>;
}

export interface KafkaAdmin {
  /** Creates those that don't exist and leaves the others as they are. @returns the names of those created */
  createTopics(topics: readonly TopicSettings[]): Promise<string[]>;
  /** Deletes those that exist. */
  deleteTopics(topics: readonly string[]): Promise<void>;
}

const BROKER_DEFAULT = -1;

/** What the demo, the generator and tests need of administration. Connects for each call. */
export function createKafkaAdmin(client: KafkaClient): KafkaAdmin {
  async function connected<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = client.kafka.admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  return {
    createTopics: (topics) =>
      connected(async (admin) => {
        const existing = new Set(await admin.listTopics());
        const missing = topics.filter(({ topic }) => !existing.has(topic));
        if (missing.length === 0) return [];
        await admin.createTopics({
          waitForLeaders: true,
          topics: missing.map(({ topic, partitions, replicationFactor = BROKER_DEFAULT, config = {} }) => ({
            topic,
            numPartitions: partitions,
            replicationFactor,
            configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
          })),
        });
        return missing.map(({ topic }) => topic);
      }),

    deleteTopics: (topics) =>
      connected(async (admin) => {
        const existing = new Set(await admin.listTopics());
        const found = topics.filter((topic) => existing.has(topic));
        if (found.length > 0) await admin.deleteTopics({ topics: found });
      }),
  };
}
