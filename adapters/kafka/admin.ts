import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import type { TopicRetention } from '../../activities/maintenance-ports.ts';
import { LogUnavailableError } from '../../activities/ports.ts';
import { explainRefusal } from '../../platform/tls-explain.ts';
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
  /** Of those that exist. @throws LogUnavailableError */
  retention(topics: readonly string[]): Promise<TopicRetention[]>;
}

const BROKER_DEFAULT = -1;
const READY_POLLS = 100;
const READY_POLL_MS = 100;

/** What maintenance, the demo, the generator and tests need of administration. Connects for each call. */
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

    async retention(topics) {
      try {
        return await connected((admin) => retentionOf(admin, topics));
      } catch (error) {
        const reason = explainRefusal('kafka', error) ?? (error instanceof Error ? error.name : 'no error');
        throw new LogUnavailableError(`Kafka does not tell how long it keeps records (${reason})`);
      }
    },
  };
}

const SETTINGS = { policy: 'cleanup.policy', retention: 'retention.ms', segment: 'segment.ms' };

/** Kafka deletes whole segments, by their newest record: the oldest stays for as long as a segment takes to be closed. */
async function retentionOf(admin: Admin, topics: readonly string[]): Promise<TopicRetention[]> {
  const existing = new Set(await admin.listTopics());
  const found = topics.filter((topic) => existing.has(topic));
  if (found.length === 0) return [];
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: found.map((name) => ({
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name,
      configNames: Object.values(SETTINGS),
    })),
  });
  return resources.map(({ resourceName: topic, configEntries }) => {
    const settingOf = (name: string) => configEntries.find(({ configName }) => configName === name)?.configValue;
    const retention = Number(settingOf(SETTINGS.retention) ?? -1);
    const segment = Number(settingOf(SETTINGS.segment) ?? -1);
    return {
      topic,
      retentionMs: retention < 0 || segment < 0 ? null : retention + segment,
      compacted: (settingOf(SETTINGS.policy) ?? '').includes('compact'),
    };
  });
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
