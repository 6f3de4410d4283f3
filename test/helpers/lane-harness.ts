import { randomUUID } from 'node:crypto';
import { expect, onTestFinished } from 'vitest';
import type { LaneWork } from '../../activities/lane-ranges.ts';
import { fixedLateWindow } from '../../activities/late-policies.ts';
import type { LaneObserver, LogReader, SuppressionList } from '../../activities/ports.ts';
import { NO_QUOTAS } from '../../activities/quota-gate.ts';
import { type LaneDeps, runLane } from '../../activities/run-lane.ts';
import { NOBODY } from '../../activities/suppression.ts';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import { createKafka, type KafkaClient } from '../../adapters/kafka/client.ts';
import { createEventProducer, type OutgoingRecord } from '../../adapters/kafka/producer.ts';
import { createLogReader } from '../../adapters/kafka/reader.ts';
import { createEventDecoder, registerSchemas } from '../../adapters/registry/index.ts';
import type { BreakerPolicy } from '../../domain/breaker.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import type { LaneProgress, LaneResult } from '../../workflows/contracts.ts';
import { required } from './database.ts';
import { createTestStore } from './lane-store.ts';

export function testKafka(): KafkaClient {
  return createKafka({
    brokers: required('KAFKA_BROKERS').split(','),
    clientId: 'crm-test',
    ssl: false,
    sasl: null,
    log: () => {},
  });
}

export function testRegistry() {
  return { url: required('SCHEMA_REGISTRY_URL'), auth: null, ca: null };
}

/** Four topics of one test alone, with their schemas registered; deleted with the test. */
export async function createTestTopics(partitions = 1, config: Record<string, string> = {}) {
  const client = testKafka();
  const admin = createKafkaAdmin(client);
  const suffix = randomUUID().slice(0, 8);
  const topics = {
    events: `crm.events.${suffix}`,
    leads: `crm.leads.${suffix}`,
    contacts: `crm.contacts.${suffix}`,
    opportunities: `crm.opportunities.${suffix}`,
  };
  const names = Object.values(topics);
  await admin.createTopics(names.map((topic) => ({ topic, partitions, config })));
  onTestFinished(() => admin.deleteTopics(names));
  const schemaIds = await registerSchemas(testRegistry(), topics);
  return { client, admin, topics, names, schemaIds };
}

export async function produce(client: KafkaClient, records: readonly OutgoingRecord[]): Promise<void> {
  const producer = await createEventProducer(client);
  for (let at = 0; at < records.length; at += 2_000) {
    await producer.send(records.slice(at, at + 2_000));
  }
  await producer.close();
}

export interface Incident {
  kind: string;
  fields: Record<string, string | number | null>;
}

export function recordingObserver() {
  const incidents: Incident[] = [];
  const stalls: string[] = [];
  const observer: LaneObserver = {
    batchWritten: () => {},
    incident: (kind, fields) => {
      incidents.push({ kind, fields });
    },
    stalled: (reason) => {
      stalls.push(reason);
    },
    recovered: () => {},
    batchRetried: () => {},
    batchSplit: () => {},
    released: () => {},
    info: () => {},
  };
  return { observer, incidents, stalls };
}

/** A store, reader and decoder as a worker has them, to run lanes with. */
export async function createLaneHarness(
  client: KafkaClient,
  options: {
    maxRecords?: number;
    reader?: LogReader;
    breaker?: BreakerPolicy;
    registryUrl?: string;
    suppression?: SuppressionList;
  } = {},
) {
  const { pool, store, runId, url } = await createTestStore();
  const reader = createLogReader(client, { maxWaitMs: 500 });
  onTestFinished(() => reader.close());
  const seen = recordingObserver();
  const deps: LaneDeps = {
    reader: options.reader ?? reader,
    decoder: createEventDecoder({ ...testRegistry(), ...(options.registryUrl && { url: options.registryUrl }) }),
    store,
    observer: seen.observer,
    retries: { schedule: () => {} },
    quotas: NO_QUOTAS,
    options: {
      breaker: options.breaker ?? { share: 1, minimum: 1, window: 1_000 },
      maxRecords: options.maxRecords ?? 2_000,
      maxBytes: 4 * 2 ** 20,
      lingerMs: 20,
      worker: 'test',
      eventTypes: new Set(EVENT_TYPES),
      entityOfTopic: new Map(),
      late: fixedLateWindow(730 * 86_400_000),
      suppression: options.suppression ?? NOBODY,
    },
  };

  /** Starts a lane over partitions of the topics; `stop` ends it like a pause does. */
  async function startLane(topics: readonly string[], over: Partial<LaneWork> = {}) {
    const abort = new AbortController();
    let latest: LaneProgress | null = null;
    const input: LaneWork = {
      runId,
      lane: 0,
      consumerGroup: 'group',
      partitions: await reader.partitions(topics),
      startPosition: 'earliest',
      outOfRange: 'earliest',
      sliceMs: 600_000,
      ...over,
    };
    const ended: Promise<LaneResult> = runLane(deps, input, {
      signal: abort.signal,
      report: (progress) => {
        latest = progress;
      },
    });
    // Whoever awaits it sees the failure; nobody is told of it twice.
    ended.catch(() => {});
    return {
      ended,
      progress: () => latest,
      stop: async () => {
        abort.abort();
        return ended;
      },
    };
  }

  /** Runs a lane until it has read what the topics hold now. */
  async function drain(topics: readonly string[], over: Partial<LaneWork> = {}): Promise<LaneResult> {
    const lane = await startLane(topics, over);
    const failed = lane.ended.then(() => null);
    await Promise.race([failed, expect.poll(() => lagOf(topics), { timeout: 120_000, interval: 50 }).toBe(0)]);
    return lane.stop();
  }

  /** Records between our positions and the ends of the partitions, over all of them. */
  async function lagOf(topics: readonly string[]): Promise<number> {
    const partitions = await reader.partitions(topics);
    const bounds = await reader.bounds(partitions);
    const positions = await store.positions.list('group');
    return bounds.reduce((lag, { topic, partition, end, earliest }) => {
      const at = positions.find((position) => position.topic === topic && position.partition === partition);
      return lag + end - (at?.nextOffset ?? earliest - 1);
    }, 0);
  }

  return { pool, store, runId, url, reader, deps, startLane, drain, lagOf, ...seen };
}
