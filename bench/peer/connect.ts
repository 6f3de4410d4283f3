// A Kafka Connect worker in standalone mode with the Debezium JDBC sink, driven through its REST API.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findJava } from '../../stack/java.ts';
import { type Child, startChild } from '../contestants/child.ts';
import type { InstalledPeer } from './install.ts';
import { PEER_TABLE } from './table.ts';

export interface ConnectOptions {
  installed: InstalledPeer;
  brokers: string;
  /** Apicurio's own API, version 2. */
  registryUrl: string;
  port: number;
  /** Folder for its configuration, offsets and log. */
  dir: string;
}

export interface Connect extends Child {
  /** Starts a sink under this name, which is also its consumer group's. */
  startSink(name: string, topic: string, databaseUrl: string): Promise<void>;
  /** @throws Error when a task has failed, with the first lines of why */
  assertRunningWell(name: string): Promise<void>;
  deleteSink(name: string): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
/** As connect-standalone.sh has it. */
const HEAP = ['-Xms256m', '-Xmx2g'];

/** Starts Connect and waits until it answers. */
export async function startConnect(options: ConnectOptions): Promise<Connect> {
  const { installed, dir, port } = options;
  const properties = path.join(dir, 'connect.properties');
  await writeFile(properties, workerProperties(options));
  const main = ['org.apache.kafka.connect.cli.ConnectStandalone', properties];
  const logging = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';
  const child = await startChild(
    await findJava(17, 'Kafka Connect'),
    [...HEAP, logging, '-cp', installed.classPath, ...main],
    { PATH: process.env.PATH ?? '' },
    path.join(dir, 'connect.log'),
  );
  const request = requester(`http://127.0.0.1:${port}/connectors`);
  try {
    await untilItAnswers(child, request);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    ...child,
    async startSink(name, topic, databaseUrl) {
      await request('PUT', `/${name}/config`, sinkConfig(options, topic, databaseUrl));
    },
    async assertRunningWell(name) {
      child.assertRunning();
      const { tasks = [] } = (await request('GET', `/${name}/status`)) as {
        tasks?: { state: string; trace?: string }[];
      };
      const failed = tasks.find(({ state }) => state === 'FAILED');
      if (failed !== undefined)
        throw new Error(`peer: a task failed: ${failed.trace?.split('\n').slice(0, 5).join(' | ')}`);
    },
    async deleteSink(name) {
      await request('DELETE', `/${name}`);
    },
  };
}

type Request = (method: string, path: string, body?: object) => Promise<unknown>;

function requester(base: string): Request {
  return async (method, at, body) => {
    const response = await fetch(`${base}${at}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`peer: Kafka Connect answers ${response.status} to ${method} ${at}: ${text}`);
    return text === '' ? null : JSON.parse(text);
  };
}

async function untilItAnswers(child: Child, request: Request): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    child.assertRunning();
    const answered = await request('GET', '').then(
      () => true,
      () => false,
    );
    if (answered) return;
    await sleep(250);
  }
  throw new Error(`peer: Kafka Connect did not answer within ${START_TIMEOUT_MS / 1000} s`);
}

function workerProperties({ brokers, dir, port, installed }: ConnectOptions): string {
  const settings = {
    'bootstrap.servers': brokers,
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'offset.storage.file.filename': path.join(dir, 'connect.offsets'),
    'offset.flush.interval.ms': 5000,
    listeners: `http://127.0.0.1:${port}`,
    'plugin.path': installed.plugins,
    'plugin.discovery': 'hybrid_warn',
    'connector.client.config.override.policy': 'All',
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

/**
 * The fastest configuration found that survives an event id that is twice in a batch: upserts in batches that the driver
 * rewrites into inserts of many rows, duplicates within a batch removed before, 2 tasks of 2,000 records.
 */
function sinkConfig({ registryUrl }: ConnectOptions, topic: string, databaseUrl: string): Record<string, string> {
  const { host, pathname, username, password } = new URL(databaseUrl);
  return {
    'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
    'tasks.max': '2',
    topics: topic,
    'connection.url': `jdbc:postgresql://${host}${pathname}?reWriteBatchedInserts=true&stringtype=unspecified`,
    'connection.username': decodeURIComponent(username),
    'connection.password': decodeURIComponent(password) || 'not-asked-for',
    'insert.mode': 'upsert',
    'primary.key.mode': 'record_value',
    'primary.key.fields': 'event_id,event_timestamp',
    'schema.evolution': 'none',
    'collection.name.format': PEER_TABLE,
    'batch.size': '2000',
    'use.reduction.buffer': 'true',
    'consumer.override.auto.offset.reset': 'earliest',
    'consumer.override.max.poll.records': '2000',
    'consumer.override.max.partition.fetch.bytes': '8388608',
    'consumer.override.fetch.max.bytes': '52428800',
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'value.converter': 'io.apicurio.registry.utils.converter.AvroConverter',
    'value.converter.apicurio.registry.url': registryUrl,
    'value.converter.apicurio.registry.as-confluent': 'true',
    'value.converter.apicurio.registry.use-id': 'contentId',
    'value.converter.apicurio.registry.headers.enabled': 'false',
  };
}
