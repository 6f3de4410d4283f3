// Our whole path as users run it: a worker process that Temporal tells to read the backlog from Kafka.
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import pg from 'pg';
import { createIngestionControl } from '../../adapters/temporal/control.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { loadConfig } from '../../platform/config.ts';
import { type IngestionSettings, ingestionWorkflowId } from '../../workflows/contracts.ts';
import type { Environment } from '../environment.ts';
import { peakRssBytes } from '../machine.ts';
import { WORKER } from '../product.ts';
import { type Books, readBooks, recordsOf } from './books.ts';
import { startChild } from './child.ts';
import { assertWritten, type Contestant, type Measurement } from './contestant.ts';
import { untilWritten } from './progress.ts';

/**
 * The worker reads the backlog into an empty database.
 * @param program what the worker's process runs: another build, where two are compared
 */
export function createPath(environment: Environment, name = 'path', program = WORKER): Contestant {
  return {
    name,
    async run(databaseUrl, signal) {
      const { measurement, books } = await ingest({ name, program }, environment, databaseUrl, signal);
      assertWritten(name, books.stored, environment.backlog.events);
      return measurement;
    },
  };
}

/** The worker reads the backlog under another consumer group into the database that `path` left: nothing in it is new. */
export function createDuplicates(environment: Environment): Contestant {
  return {
    name: 'duplicates',
    async run(databaseUrl, signal) {
      const reading = { name: 'duplicates', program: WORKER };
      const { measurement, books } = await ingest(reading, environment, databaseUrl, signal);
      assertWritten('duplicates', books.skipped, environment.backlog.events);
      return measurement;
    },
  };
}

async function ingest(
  { name, program }: { name: string; program: string },
  environment: Environment,
  databaseUrl: string,
  signal: AbortSignal,
): Promise<{ measurement: Measurement; books: Books }> {
  const consumerGroup = `bench-${name}-${randomUUID().slice(0, 8)}`;
  const { temporal, namespace, logs, backlog, settings: wanted } = environment;
  const { events, topics } = backlog;
  const env = workerEnv(environment, databaseUrl, consumerGroup);
  const { ingestion } = loadConfig(env, EVENT_TYPES);
  const settings: IngestionSettings = {
    consumerGroup,
    topics: Object.values(topics),
    lanes: wanted.lanes,
    startPosition: 'earliest',
    outOfRange: 'fail',
    sliceMs: ingestion.sliceMs,
    laneTimeoutMs: ingestion.laneTimeoutMs,
  };
  const control = createIngestionControl(temporal, namespace);
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  const worker = await startChild(process.execPath, [program], env, path.join(logs, `${consumerGroup}.log`));
  try {
    await control.start(settings);
    const cpuPerMillion = await untilWritten({
      name,
      pid: worker.pid,
      written: () => recordsOf(database, consumerGroup),
      pollMs: 200,
      expected: events,
      signal,
      assertAlive: worker.assertRunning,
    });
    const peak = peakRssBytes(worker.pid);
    const { historyLength } = await temporal.workflow.getHandle(ingestionWorkflowId(consumerGroup)).describe();
    const books = await readBooks(database, consumerGroup);
    const figures = { cpuPerMillion, peakRssBytes: peak, historyEvents: historyLength };
    return { books, measurement: { events: books.events, seconds: books.seconds, ...figures } };
  } finally {
    await control.stop(consumerGroup).catch(() => {}); // a worker that has died can't stop: its workflow goes with the server
    await worker.stop();
    await database.end();
  }
}

/** The least a user must say: everything else is as it comes. */
export function workerEnv(
  { servers, namespace, backlog: { topics }, settings }: Environment,
  databaseUrl: string,
  consumerGroup: string,
): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    NODE_OPTIONS: '--max-semi-space-size=16', // as npm run worker and the image have it
    WORKER_PORT: '0', // metrics and health listen wherever there is room
    KAFKA_BROKERS: servers.KAFKA_BROKERS,
    KAFKA_CONSUMER_GROUP_ID: consumerGroup,
    SCHEMA_REGISTRY_URL: servers.SCHEMA_REGISTRY_URL,
    DATABASE_URL: databaseUrl,
    REDIS_URL: servers.REDIS_URL,
    TEMPORAL_ADDRESS: servers.TEMPORAL_ADDRESS,
    TEMPORAL_NAMESPACE: namespace,
    CRM_EVENTS_TOPIC: topics.events,
    CRM_LEADS_TOPIC: topics.leads,
    CRM_CONTACTS_TOPIC: topics.contacts,
    CRM_OPPORTUNITIES_TOPIC: topics.opportunities,
    INGESTION_BATCH_MAX_ROWS: String(settings.batchMaxRows),
  };
}
