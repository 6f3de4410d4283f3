// Everything a run needs around the contestants: servers of its own, the events, databases, and their end.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { createKafka, type KafkaClient } from '../adapters/kafka/client.ts';
import { migrate } from '../adapters/postgres/migrate.ts';
import { createPartitionsAhead } from '../adapters/postgres/partitions.ts';
import { createDatabasePool } from '../adapters/postgres/pool.ts';
import type { RegistryOptions } from '../adapters/registry/index.ts';
import { down, type ServerName, type StackEnv, status, up } from '../stack/index.ts';
import { type Backlog, type BacklogSettings, createBacklog } from './backlog.ts';
import { type Databases, openDatabases } from './databases.ts';
import { openNamespace } from './namespace.ts';

/** Its own instance, so that a running stack is left alone. */
const INSTANCE = { name: 'bench', portOffset: 10_000 };
const SERVERS: ServerName[] = ['kafka', 'registry', 'temporal', 'postgres'];

/** Name of the migrated template. */
export const OURS = 'ours';

const DAYS = 7;
const DAY_MS = 86_400_000;

export interface Environment {
  /** Tells this run's names from those of others. */
  id: string;
  kafka: KafkaClient;
  registry: RegistryOptions;
  databases: Databases;
  temporal: Client;
  namespace: string;
  backlog: Backlog;
  settings: BacklogSettings;
  servers: StackEnv;
  /** What the servers are, such as "Kafka 4.3.1". */
  titles: string[];
  /** Process ids of the servers that run on this machine. */
  pids: { postgres: number | null; all: number[] };
  /** Folder for logs, which is kept when something fails. */
  logs: string;
  /** Aborts when somebody interrupts the run. */
  signal: AbortSignal;
}

export interface EnvironmentSettings extends Omit<BacklogSettings, 'seed' | 'from' | 'days' | 'now'> {
  /** A PostgreSQL server to measure on instead of one of its own; null without. */
  databaseUrl: string | null;
  /** Leave the servers running at the end. */
  keep: boolean;
  log: (line: string) => void;
}

type Closing = Array<() => Promise<unknown>>;

/** Brings everything up, runs `work` in it and takes everything down again, also when it fails or is interrupted. */
export async function withEnvironment<T>(
  settings: EnvironmentSettings,
  work: (environment: Environment) => Promise<T>,
): Promise<T> {
  const closing: Closing = [];
  try {
    return await work(await createEnvironment(settings, closing));
  } finally {
    for (const close of closing.reverse()) {
      await close().catch((error: unknown) => settings.log(`cleaning up: ${error}`));
    }
  }
}

/**
 * Aborts at the first SIGINT or SIGTERM, which contestants look at between two steps. Later signals do nothing: cleaning
 * up ends by itself, and one signal may come twice.
 */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => controller.abort(new Error(`interrupted by ${signal}`)));
  }
  return controller.signal;
}

/** @param closing gets what to do at the end, last things first */
async function createEnvironment(
  { databaseUrl, keep, log, ...wanted }: EnvironmentSettings,
  closing: Closing,
): Promise<Environment> {
  // Containers would put another network and file system between some contestants and the servers.
  process.env.CRM_STACK = 'native';
  if (!keep) closing.push(() => down({ ...INSTANCE, log }, { wipe: true }));
  const names = SERVERS.filter((name) => name !== 'postgres' || databaseUrl === null);
  const own = await up({ ...INSTANCE, log }, names);
  const servers = { ...own, DATABASE_URL: databaseUrl ?? own.DATABASE_URL };
  const signal = interruption();
  const id = randomUUID().slice(0, 8);
  const now = Date.now();
  const settings: BacklogSettings = { ...wanted, seed: 'bench', from: now - DAYS * DAY_MS, days: DAYS, now };

  const databases = await openDatabases(servers.DATABASE_URL, `crm_bench_${id}`);
  closing.push(() => databases.close());
  await databases.template(OURS, (url) => prepareOurs(url, settings));

  const namespace = `bench-${id}`;
  const temporal = await openNamespace(servers.TEMPORAL_ADDRESS, namespace);
  closing.push(() => temporal.connection.close());

  const kafka = createKafka({
    brokers: servers.KAFKA_BROKERS.split(','),
    clientId: 'crm-bench',
    ssl: false,
    sasl: null,
    log: () => {},
  });
  const registry = { url: servers.SCHEMA_REGISTRY_URL, auth: null, ca: null };
  log(`generating ${settings.events} events, sending them to Kafka and reading them into memory …`);
  const backlog = await createBacklog(kafka, registry, `bench-${id}`, settings);
  closing.push(() => backlog.close());

  const running = (await status(INSTANCE)).filter(({ name }) => names.includes(name));
  const postgres = await databases.serverPid();
  return {
    id,
    kafka,
    registry,
    databases,
    temporal,
    namespace,
    backlog,
    settings,
    servers,
    titles: running.map(({ title }) => title),
    pids: { postgres, all: [...running.flatMap(({ pid }) => pid ?? []), ...(postgres === null ? [] : [postgres])] },
    logs: await mkdtemp(path.join(os.tmpdir(), 'crm-bench-')),
    signal,
  };
}

async function prepareOurs(url: string, { from, days }: BacklogSettings): Promise<void> {
  await migrate({ url, ca: null });
  const pool = await createDatabasePool({ url, ca: null, poolSize: 1, applicationName: 'crm-bench' });
  await createPartitionsAhead(pool, from, days, 'day');
  await pool.end();
}

/** Deletes the logs of a run that went well. */
export async function deleteLogs({ logs }: Environment): Promise<void> {
  await rm(logs, { recursive: true, force: true });
}
