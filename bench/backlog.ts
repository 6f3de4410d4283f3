// The events of a run: generated and sent to Kafka once, and read back into memory for those contestants that write from
// there, so that all write the very same.

import { type IngestRules, Preparation } from '../activities/ingest.ts';
import { fixedLateWindow } from '../activities/late-policies.ts';
import type { Batch, ClaimedRange, Delivery, LogSlice, TopicPartition } from '../activities/ports.ts';
import { NOBODY } from '../activities/suppression.ts';
import type { KafkaClient } from '../adapters/kafka/client.ts';
import { createLogReader } from '../adapters/kafka/reader.ts';
import { createEventDecoder, type RegistryOptions } from '../adapters/registry/index.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { DEFAULT_ORGANIZATIONS } from '../scripts/lib/produce-events.ts';
import { deal } from '../workflows/deal.ts';
import type { Environment } from './environment.ts';
import { deleteTopics, fillTopics, type Shape, type Topics } from './events/topics.ts';

export interface BacklogSettings {
  /** How many events. */
  events: number;
  /** Partitions of each topic. */
  partitions: number;
  lanes: number;
  batchMaxRows: number;
  seed: string;
  /** The events are spread over so many days, from `from` to `now` in epoch milliseconds. */
  days: number;
  from: number;
  now: number;
  /** By their times, as they come from a CRM; else their times lie anywhere in the days. */
  inOrder: boolean;
}

/** A batch as a lane makes it; its ranges are not claimed yet. */
export interface BacklogBatch {
  slices: Batch['slices'];
  deliveries: ReadonlyArray<SoundDelivery>;
}

type SoundDelivery = Extract<Delivery, { kind: 'stage' | 'filtered' }>;

/** What one lane reads. */
export interface BacklogLane {
  partitions: TopicPartition[];
  batches: BacklogBatch[];
}

export interface Backlog {
  events: number;
  topics: Topics;
  /** Deletes the topics. */
  close(): Promise<void>;
}

const NO_HEADERS: [] = [];
const LATE_WINDOW_MS = 730 * 86_400_000;

/** Makes topics of names that end with `suffix`, and fills them. */
export async function createBacklog(
  kafka: KafkaClient,
  registry: RegistryOptions,
  suffix: string,
  settings: BacklogSettings,
): Promise<Backlog> {
  const topics = await fillTopics({ kafka, registry }, suffix, shapeOf(settings));
  return { events: settings.events, topics, close: () => deleteTopics(kafka, topics) };
}

/** The events of a run, and the topics that they are sent to. */
export function shapeOf({ events, partitions, seed, days, now, inOrder }: BacklogSettings): Shape {
  return { events, partitions, seed, days, now, inOrder, organizations: DEFAULT_ORGANIZATIONS, size: 'plain' };
}

/** The whole backlog in memory, as so many lanes would read it; fewer when there are fewer partitions. */
export async function readLanes(
  { kafka, registry, backlog, settings }: Pick<Environment, 'kafka' | 'registry' | 'backlog' | 'settings'>,
  lanes: number,
): Promise<BacklogLane[]> {
  const { batchMaxRows, now } = settings;
  const reader = createLogReader(kafka);
  const decoder = createEventDecoder(registry);
  const rules: IngestRules = {
    eventTypes: new Set(EVENT_TYPES),
    entityOfTopic: new Map(),
    late: fixedLateWindow(LATE_WINDOW_MS),
    suppression: NOBODY,
  };

  async function readLane(partitions: TopicPartition[]): Promise<BacklogLane> {
    const bounds = await reader.bounds(partitions);
    const session = reader.open(
      bounds.map(({ topic, partition, earliest, end }) => ({ topic, partition, from: earliest, to: end })),
    );
    const batches: BacklogBatch[] = [];
    const { signal } = new AbortController();
    while (!session.finished) {
      const slices = await session.next({ maxRecords: batchMaxRows, lingerMs: 20, signal });
      if (slices.length === 0) continue;
      const run = { runId: '', mode: 'ingest' } as const;
      const preparation = new Preparation({ slices, rangeOf: unclaimed, run, decoder, rules, now });
      const { slices: moved, deliveries } = await preparation.finish();
      batches.push({ slices: moved, deliveries: deliveries.map(requireSound) });
    }
    await session.close();
    return { partitions, batches };
  }

  try {
    const dealt = deal(await reader.partitions(Object.values(backlog.topics)), lanes, []);
    const read: BacklogLane[] = [];
    for (const partitions of dealt.filter(({ length }) => length > 0)) read.push(await readLane(partitions));
    return read;
  } finally {
    reader.close();
  }
}

/** Stands for a range until a database gives one. */
function unclaimed({ topic, partition }: LogSlice): ClaimedRange {
  const identity = { topic, partition, topicId: null, sourceId: 0, incarnation: 0 };
  return { ...identity, positionId: 0, epoch: 0, nextOffset: 0, endOffset: null, last: null };
}

function requireSound(delivery: Delivery): SoundDelivery {
  if (delivery.kind !== 'stage' && delivery.kind !== 'filtered') {
    throw new Error('a generated event was not found sound: mend the generator first');
  }
  // What was decoded is all that the writer needs of sound events. Each piece of a message, its key as well, would keep
  // all bytes of its fetch in memory, and make the collector's work part of the measurement.
  const { offset, timestamp } = delivery.record;
  return { ...delivery, record: { offset, timestamp, key: null, value: null, headers: NO_HEADERS } };
}
