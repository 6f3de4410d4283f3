// `node bench/dead-letters.ts`: many dead letters, how fast they are looked at over HTTP, and how fast they are redriven
// beside the first ingestion of the same events.
import { appendFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import pg from 'pg';
import { createIngestionControl } from '../adapters/temporal/control.ts';
import { openApiServers } from '../api/server.ts';
import { ingestionSettings, startApi } from '../api/start.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/logger.ts';
import { createMetrics } from '../platform/metrics.ts';
import { withLock } from '../stack/cache.ts';
import { positive, runCommand } from './command.ts';
import { recordsOf } from './contestants/books.ts';
import { startChild } from './contestants/child.ts';
import { createPath, workerEnv } from './contestants/path.ts';
import { untilWritten } from './contestants/progress.ts';
import { deleteLogs, type Environment, OURS, withEnvironment } from './environment.ts';
import { WORKER } from './product.ts';
import { openRedriveApi, type RedriveApi } from './redrive-api.ts';
import { table } from './report.ts';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));
const CONSUMER_GROUP = 'bench-dead-letters';

/** The events are spread over a week, so that this leaves those of the last day alone: 6 in 7 are dead letters. */
const NARROW = { LATE_WINDOW_DAYS: '1', BREAKER_PERCENT: '100' };
const SHARE_DEAD = 6 / 7;

/** The part that shows pause and cancel is held to so many events a second. */
const SLOW = 1_000;
const CALLS = 200;

const LOOKS: Record<string, string> = {
  list: '/dead-letters?limit=50',
  'list by code and type': '/dead-letters?limit=50&errorCode=outside_retention&eventType=lead.created',
  'list by organization': '/dead-letters?limit=50&organizationId=org-1',
  'list without a match': '/dead-letters?limit=50&errorCode=undecodable',
  groups: '/dead-letters/groups',
};

interface Figures {
  dead: number;
  /** Milliseconds. */
  latencies: Array<{ what: string; p50: number; p99: number }>;
  /** Events per second. */
  ingested: number;
  redriven: number;
}

const program = new Command('dead-letters')
  .description('Makes dead letters, looks at them, and redrives them: paused, cancelled, and as fast as it goes')
  .option('--events <n>', 'dead letters, about', positive, 100_000)
  .option('--partitions <n>', 'partitions of each topic', positive, 6)
  .option('--record', 'append a block to bench/RESULTS.md')
  .option('--keep', 'leave the servers running, for the next run to start sooner')
  .action((options: { events: number; partitions: number; record?: boolean; keep?: boolean }) =>
    withLock('bench', console.log, () => bench(options)),
  );

async function bench(options: { events: number; partitions: number; record?: boolean; keep?: boolean }): Promise<void> {
  const settings = {
    events: Math.ceil(options.events / SHARE_DEAD),
    partitions: options.partitions,
    keep: options.keep,
    log: console.log,
  };
  await withEnvironment(settings, async (environment) => {
    const { databases, signal } = environment;
    console.log('first ingestion …');
    const first = await createPath(environment).run(await databases.fresh(OURS), signal);
    const figures = await redrives(environment, await databases.fresh(OURS), first.events / first.seconds);
    const block = renderBlock(figures, environment);
    console.log(`\n${block}`);
    if (options.record) await appendFile(RESULTS, `\n${block}`);
    await deleteLogs(environment);
  });
}

async function redrives(environment: Environment, databaseUrl: string, ingested: number): Promise<Figures> {
  const env = workerEnv(environment, databaseUrl, CONSUMER_GROUP);
  const dead = await makeDeadLetters(environment, databaseUrl, env);
  console.log(`${dead} dead letters`);
  const worker = await startWorker(environment, env, {});
  const config = loadConfig({ ...env, API_PORT: '0', LOG_LEVEL: 'error' }, EVENT_TYPES);
  const logger = createLogger({ service: 'bench', level: 'error' });
  const { servers, closing } = openApiServers(config, logger);
  const listening = await startApi(config, servers, { logger, metrics: createMetrics() });
  const api = openRedriveApi(`http://127.0.0.1:${listening.port}/api/v1/crm-ingestion`);
  try {
    const latencies = [];
    for (const [what, look] of Object.entries(LOOKS)) {
      latencies.push({ what, ...(await api.latency(look, CALLS)) });
    }
    await showPauseAndCancel(api);
    const { redriveId } = await api.request({ filter: { status: 'dead' }, ratePerSecond: 100_000 });
    const done = await api.until(redriveId, 'finished');
    console.log('redriven:', done.counts);
    return { dead, latencies, ingested, redriven: done.eventsPerSecond ?? 0 };
  } finally {
    await listening.close();
    for (const { run } of closing) await run();
    await worker.stop();
  }
}

/** Ingests the backlog with a window for late events that is too narrow for most of it. @returns how many are dead */
async function makeDeadLetters(
  environment: Environment,
  databaseUrl: string,
  env: Record<string, string>,
): Promise<number> {
  const { temporal, namespace, backlog, signal } = environment;
  const control = createIngestionControl(temporal, namespace);
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  const worker = await startWorker(environment, env, NARROW);
  try {
    await control.start(ingestionSettings(loadConfig(env, EVENT_TYPES)));
    await untilWritten({
      name: 'dead letters',
      pid: worker.pid,
      written: () => recordsOf(database, CONSUMER_GROUP),
      pollMs: 200,
      expected: backlog.events,
      signal,
      assertAlive: worker.assertRunning,
    });
    await control.stop(CONSUMER_GROUP);
    const { rows } = await database.query<{ dead: string }>(
      "SELECT count(*) AS dead FROM analytics.crm_failed_events WHERE status = 'dead'",
    );
    return Number(rows[0]?.dead);
  } finally {
    await worker.stop();
    await database.end();
  }
}

function startWorker({ logs }: Environment, env: Record<string, string>, more: Record<string, string>) {
  return startChild(process.execPath, [WORKER], { ...env, ...more }, path.join(logs, `${CONSUMER_GROUP}.log`));
}

/** @throws Error when a redrive goes on after it was told to pause or to end */
async function showPauseAndCancel(api: RedriveApi): Promise<void> {
  const { redriveId } = await api.request({ filter: { status: 'dead' }, ratePerSecond: SLOW });
  await api.untilDone(redriveId, SLOW);
  for (const [what, status] of [
    ['pause', 'paused'],
    ['cancel', 'cancelled'],
  ] as const) {
    const told = performance.now();
    await api.tell(redriveId, what);
    const { done } = await api.until(redriveId, status);
    const seconds = (performance.now() - told) / 1_000;
    await sleep(2_000);
    const later = await api.get(redriveId);
    if (later.done !== done) throw new Error(`the redrive went on after it was ${status}`);
    console.log(`${status} after ${seconds.toFixed(1)} s with ${done} events done, and nothing more`);
    if (status === 'paused') {
      await api.tell(redriveId, 'resume');
      await api.untilDone(redriveId, done + SLOW);
    }
  }
}

function renderBlock({ dead, latencies, ingested, redriven }: Figures, { settings }: Environment): string {
  const whole = (value: number) => Math.round(value).toLocaleString('en-US');
  return `${[
    `## ${new Date().toISOString().slice(0, 16).replace('T', ' ')}: dead letters`,
    `\`node bench/dead-letters.ts ${process.argv.slice(2).join(' ')}\``,
    `Redrive / first ingestion of the same events: **${(redriven / ingested).toFixed(2)}**. In this run alone: ${whole(redriven)} and ${whole(ingested)} events/s.`,
    `Looking at ${whole(dead)} dead letters, over HTTP, ${CALLS} calls each:`,
    table(
      ['request', 'p50 ms', 'p99 ms'],
      latencies.map(({ what, p50, p99 }) => [what, p50.toFixed(1), p99.toFixed(1)]),
    ),
    `${settings.partitions} partitions a topic, ${settings.lanes} lanes; ${os.availableParallelism()} cores.`,
  ].join('\n\n')}\n`;
}

await runCommand(program);
