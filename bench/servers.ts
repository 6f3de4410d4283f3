// The servers of a run, which are its own, and their end.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { createKafka, type KafkaClient } from '../adapters/kafka/client.ts';
import type { RegistryOptions } from '../adapters/registry/index.ts';
import { down, SERVERS, type ServerName, type StackEnv, status, up } from '../stack/index.ts';
import { type Databases, openDatabases } from './databases.ts';
import { hugePagesCommand, readMeminfo } from './huge-pages.ts';
import { interruption } from './interruption.ts';
import { openNamespace } from './namespace.ts';

const MIB = 1_048_576;

const SHARED_BUFFERS_MIB = Math.floor(os.totalmem() / 4 / MIB);

/** What docs/PERFORMANCE.md advises users to give PostgreSQL; the stack's own settings are those of a small test. */
export const ADVISED_SETTINGS = {
  shared_buffers: `${SHARED_BUFFERS_MIB}MB`,
  checkpoint_timeout: '15min',
  max_wal_size: '16GB', // more would take the disk that the measured tables need
};

/** Its own instance, so that a running stack is left alone. */
const INSTANCE = { name: 'bench', portOffset: 10_000, postgresSettings: ADVISED_SETTINGS };

export interface Servers {
  /** Tells this run's names from those of others. */
  id: string;
  kafka: KafkaClient;
  registry: RegistryOptions;
  databases: Databases;
  temporal: Client;
  namespace: string;
  servers: StackEnv;
  /** Node and the servers with their versions, such as "Kafka 4.3.1". */
  versions: string[];
  /** Process ids of the servers that run on this machine. */
  pids: { postgres: number | null; all: number[]; byName: Partial<Record<ServerName, number>> };
  /** Folder for logs, which is kept when something fails. */
  logs: string;
  /** Aborts when somebody interrupts the run. */
  signal: AbortSignal;
}

export interface ServerSettings {
  /** A PostgreSQL server to measure on instead of one of its own. */
  databaseUrl?: string | undefined;
  /** Leave the servers running at the end. */
  keep?: boolean | undefined;
  log: (line: string) => void;
}

/** What to do at the end, last things first. */
export type Closing = Array<() => Promise<unknown>>;

/** Runs `work` and then everything that it asked to be done at the end, also when it fails. */
export async function closingAfterwards<T>(
  log: (line: string) => void,
  work: (closing: Closing) => Promise<T>,
): Promise<T> {
  const closing: Closing = [];
  try {
    return await work(closing);
  } finally {
    for (const close of closing.reverse()) {
      await close().catch((error: unknown) => log(`cleaning up: ${error}`));
    }
  }
}

/** Brings the servers up, runs `work` with them and takes them down again, also when it fails or is interrupted. */
export function withServers<T>(settings: ServerSettings, work: (servers: Servers) => Promise<T>): Promise<T> {
  return closingAfterwards(settings.log, async (closing) => work(await openServers(settings, closing)));
}

async function openServers({ databaseUrl, keep, log }: ServerSettings, closing: Closing): Promise<Servers> {
  // Containers would put another network and file system between some contestants and the servers.
  process.env.CRM_STACK = 'native';
  if (!keep) closing.push(() => down({ ...INSTANCE, log }, { wipe: true }));
  const names = SERVERS.filter((name) => name !== 'postgres' || databaseUrl === undefined);
  const own = await up({ ...INSTANCE, log }, names);
  const servers = { ...own, DATABASE_URL: databaseUrl ?? own.DATABASE_URL };
  const signal = interruption();
  const id = randomUUID().slice(0, 8);

  const databases = await openDatabases(servers.DATABASE_URL, `crm_bench_${id}`);
  closing.push(() => databases.close());
  if (databaseUrl === undefined && process.platform === 'linux' && (await databases.hugePages()) === false) {
    const command = hugePagesCommand(readMeminfo(), SHARED_BUFFERS_MIB * MIB) ?? 'there are enough now, begin again';
    log(`PostgreSQL runs without the huge pages that docs/PERFORMANCE.md advises; as root, before a run: ${command}`);
  }

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
  const running = (await status(INSTANCE)).filter(({ name }) => names.includes(name));
  const postgres = await databases.serverPid();
  const titles = running.filter(({ name }) => name !== 'postgres').map(({ title }) => title);
  return {
    id,
    kafka,
    registry: { url: servers.SCHEMA_REGISTRY_URL, auth: null, ca: null },
    databases,
    temporal,
    namespace,
    servers,
    versions: [`Node ${process.versions.node}`, `PostgreSQL ${await databases.serverVersion()}`, ...titles],
    pids: {
      postgres,
      all: [...running.flatMap(({ pid }) => pid ?? []), ...(postgres === null ? [] : [postgres])],
      byName: Object.fromEntries(running.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid]]))),
    },
    logs: await mkdtemp(path.join(os.tmpdir(), 'crm-bench-')),
    signal,
  };
}

/** Deletes the logs of a run that went well. */
export async function deleteLogs({ logs }: Pick<Servers, 'logs'>): Promise<void> {
  await rm(logs, { recursive: true, force: true });
}
