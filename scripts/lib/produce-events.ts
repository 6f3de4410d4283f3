import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import type { KafkaClient } from '../../adapters/kafka/client.ts';
import { type RegistryOptions, registerSchemas } from '../../adapters/registry/index.ts';
import { type CRMEventType, type Entity, type EpochMillis, EVENT_TYPES } from '../../domain/events.ts';
import type { FailureCode } from '../../domain/failures.ts';
import type { TopicRole } from '../../domain/schemas.ts';
import { createEventEncoder } from './event-encoder.ts';
import { type PlannedRecord, planRecords } from './send-plan.ts';
import { sendRecords } from './send-records.ts';

export interface ProduceOptions {
  kafka: KafkaClient;
  registry: RegistryOptions;
  topics: Readonly<Record<TopicRole, string>>;
  /** How many sound events. */
  count: number;
  /** Any text. The same seed, `from`, `organizations`, `days` and `now` give the very same events. */
  seed: string;
  /** Index of the first event of the seed, 0 when left out. */
  from?: number;
  organizations?: number;
  /** Event times are spread over so many days up to `now`; Kafka's record times are those of sending. */
  days?: number;
  now: EpochMillis;
  /** How many invalid events besides, of each kind in turn, spread among the sound ones. */
  invalid?: number;
  /** How many of the sound events to send once more at the end. */
  duplicates?: number;
  /** Records per second; as fast as Kafka takes them when left out. */
  rate?: number;
  onProgress?: (sent: number, total: number) => void;
  /** Called with what Kafka has acknowledged; the next chunk waits for it. */
  onSent?: (chunk: readonly PlannedRecord[]) => void | Promise<void>;
}

export interface Produced {
  /** Of the sound events, in their order. */
  eventIds: string[];
  /** Sound events, duplicates not counted. */
  byType: Record<CRMEventType, number>;
  /** The same by the entity, whose staging table they belong to. */
  byEntity: Record<Entity, number>;
  duplicates: number;
  invalid: Partial<Record<FailureCode, number>>;
  /** How long the sending took. */
  seconds: number;
}

export const DEFAULT_ORGANIZATIONS = 5;
export const DEFAULT_DAYS = 7;
const PARTITIONS = 6;

/** Creates the topics that don't exist, with 6 partitions each. @returns the names of those created */
export function ensureTopics(kafka: KafkaClient, topics: Readonly<Record<TopicRole, string>>): Promise<string[]> {
  const settings = Object.values(topics).map((topic) => ({ topic, partitions: PARTITIONS }));
  return createKafkaAdmin(kafka).createTopics(settings);
}

/**
 * Generates events and sends them to Kafka, making topics and registering schemas that are not there yet.
 * @throws RegistryUnavailableError; what kafkajs throws when Kafka can't be reached or refuses a record
 */
export async function produceEvents(options: ProduceOptions): Promise<Produced> {
  const { kafka, registry, topics, count, invalid = 0, duplicates = 0, rate, onProgress, onSent } = options;
  const schemaIds = await registerSchemas(registry, topics);
  await ensureTopics(kafka, topics);
  const plan = planRecords(
    {
      seed: options.seed,
      count,
      from: options.from ?? 0,
      organizations: options.organizations ?? DEFAULT_ORGANIZATIONS,
      days: options.days ?? DEFAULT_DAYS,
      now: options.now,
      invalid,
      duplicates,
    },
    createEventEncoder(schemaIds),
  );
  const produced = nothingProduced();
  const total = count + invalid + duplicates;
  const began = performance.now();
  let sent = 0;
  await sendRecords(plan, {
    kafka,
    topics,
    ...(rate === undefined ? {} : { rate }),
    onSent: async (chunk) => {
      for (const { kind } of chunk) tally(produced, kind);
      sent += chunk.length;
      onProgress?.(sent, total);
      await onSent?.(chunk);
    },
  });
  return { ...produced, seconds: (performance.now() - began) / 1_000 };
}

function nothingProduced(): Produced {
  return {
    eventIds: [],
    byType: Object.fromEntries(EVENT_TYPES.map((type) => [type, 0])) as Record<CRMEventType, number>,
    byEntity: { lead: 0, contact: 0, opportunity: 0 },
    duplicates: 0,
    invalid: {},
    seconds: 0,
  };
}

function tally(produced: Produced, kind: PlannedRecord['kind']): void {
  if (kind.is === 'invalid') {
    produced.invalid[kind.code] = (produced.invalid[kind.code] ?? 0) + 1;
  } else if (kind.is === 'duplicate') {
    produced.duplicates += 1;
  } else {
    produced.eventIds.push(kind.eventId);
    produced.byType[kind.eventType] += 1;
    produced.byEntity[kind.entity] += 1;
  }
}
