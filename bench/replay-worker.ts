// A worker and an API over a fresh database, and the first ingestion of the backlog by them.
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import pg from 'pg';
import { createIngestionControl } from '../adapters/temporal/control.ts';
import { ingestionSettings } from '../api/start.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { loadConfig } from '../platform/config.ts';
import { readBooks, recordsOf } from './contestants/books.ts';
import { startChild } from './contestants/child.ts';
import { workerEnv } from './contestants/path.ts';
import { untilWritten } from './contestants/progress.ts';
import { type Environment, OURS } from './environment.ts';
import { WORKER } from './product.ts';
import { openReplayApi, type ReplayApi } from './replay-api.ts';

export interface Bench {
  environment: Environment;
  databaseUrl: string;
  database: pg.Client;
  pid: number;
  consumerGroup: string;
  api: ReplayApi;
  assertRunning(): void;
}

/** A worker and an API over a fresh database. */
export async function withWorker<T>(environment: Environment, work: (bench: Bench) => Promise<T>): Promise<T> {
  const databaseUrl = await environment.databases.fresh(OURS);
  const consumerGroup = `bench-replay-${randomUUID().slice(0, 8)}`;
  const env = workerEnv(environment, databaseUrl, consumerGroup);
  const log = path.join(environment.logs, `${consumerGroup}.log`);
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  const { pid, assertRunning, stop } = await startChild(process.execPath, [WORKER], env, log);
  const api = await openReplayApi(env);
  try {
    return await work({ environment, databaseUrl, database, pid, consumerGroup, api, assertRunning });
  } finally {
    await api.close();
    await stop();
    await database.end();
  }
}

export const topicsOf = ({ backlog }: Environment) => Object.values(backlog.topics);

export const controlOf = ({ temporal, namespace }: Environment) => createIngestionControl(temporal, namespace);

export function settingsOf(environment: Environment, consumerGroup: string) {
  return ingestionSettings(
    loadConfig(workerEnv(environment, environment.servers.DATABASE_URL, consumerGroup), EVENT_TYPES),
  );
}

/** Ingests the backlog and stops. @returns events per second */
export async function ingest({ environment, database, pid, consumerGroup, assertRunning }: Bench): Promise<number> {
  const { backlog, signal } = environment;
  const control = controlOf(environment);
  await control.start(settingsOf(environment, consumerGroup));
  await untilWritten({
    name: 'first ingestion',
    pid,
    written: () => recordsOf(database, consumerGroup),
    pollMs: 200,
    expected: backlog.events,
    signal,
    assertAlive: assertRunning,
  });
  await control.stop(consumerGroup);
  const { events, seconds } = await readBooks(database, consumerGroup);
  return events / seconds;
}
