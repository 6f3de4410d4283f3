import { setTimeout as sleep } from 'node:timers/promises';
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
const READY_POLLS = 100;
const READY_POLL_MS = 100;

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
          waitForLeaders: false, // kafkajs would fail when the broker it asks has not heard of the topic yet
          topics: missing.map(({ topic, partitions, replicationFactor = BROKER_DEFAULT, config = {} }) => ({
            topic,
            numPartitions: partitions,
            replicationFactor,
            configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
          })),
        });
        await untilReady(client, missing);
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

/** A new topic is ready when each of its partitions has a leader. @throws Error when that takes more than 10 s */
async function untilReady(client: KafkaClient, created: readonly TopicSettings[]): Promise<void> {
  const brokers = client.openBrokers();
  try {
    for (let poll = 0; poll < READY_POLLS; poll += 1) {
      const { topics } = await brokers.metadata(created.map(({ topic }) => topic));
      const ready = created.every(({ topic, partitions }) => {
        const led = topics.find(({ name }) => name === topic)?.partitions.filter(({ leader }) => leader >= 0);
        return led?.length === partitions;
      });
      if (ready) return;
      await sleep(READY_POLL_MS);
    }
  } finally {
    brokers.close();
  }
  throw new Error(`no leaders for ${created.map(({ topic }) => topic).join(', ')}: look into the brokers' logs`);
}
