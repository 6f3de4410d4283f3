// `node bench/replay.ts`: replays of the whole backlog beside its first ingestion, where every event is known and where
// none is, and what a slow replay does to the latency of live events.
import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import pg from 'pg';
import { createLogReader } from '../adapters/kafka/reader.ts';
import { createIngestionControl } from '../adapters/temporal/control.ts';
import { ingestionSettings } from '../api/start.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { loadConfig } from '../platform/config.ts';
import { produceEvents } from '../scripts/lib/produce-events.ts';
import { withLock } from '../stack/cache.ts';
import { readBooks, recordsOf } from './contestants/books.ts';
import { startChild } from './contestants/child.ts';
import { workerEnv } from './contestants/path.ts';
import { untilWritten } from './contestants/progress.ts';
import { deleteLogs, type Environment, OURS, withEnvironment } from './environment.ts';
import { latenciesBetween, marksOf, percentile } from './live-latency.ts';
import { watchOthers } from './machine.ts';
import { openReplayApi, type ReplayApi } from './replay-api.ts';
import { table } from './report.ts';
import { rotate } from './rounds.ts';
import { type Spread, spreadOf } from './statistics.ts';

const WORKER = fileURLToPath(new URL('../workers/worker.ts', import.meta.url));
const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));

/** Live events and events of the slow replay in a second. */
const LIVE_RATE = 1_000;
const REPLAY_RATE = 5_000;
const STEADY_SECONDS = 15;

/** What the issue asks for. */
const LIMITS = { known: 1.5, unknown: 0.85, latency: 2 };

interface Options {
  events: number;
  rounds: number;
  partitions: number;
  record?: boolean;
  keep?: boolean;
}

/** Events per second. */
type Rates = Record<'first' | 'known' | 'unknown', number>;
/** Milliseconds. */
type Latency = Record<'alone' | 'beside', number>;

const program = new Command('replay')
  .description('Replays the whole backlog in mode missing, and live events beside a slow replay')
  .option('--events <n>', 'events of the backlog', positive, 500_000)
  .option('--rounds <n>', 'how often; the ratios are medians over the rounds', positive, 5)
  .option('--partitions <n>', 'partitions of each topic', positive, 6)
  .option('--record', 'append a block to bench/RESULTS.md')
  .option('--keep', 'leave the servers running, for the next run to start sooner')
  .action((options: Options) => withLock('bench', console.log, () => bench(options)));

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on is needed.');
  return value;
}

async function bench({ events, rounds, partitions, record, keep }: Options): Promise<void> {
  const { lanes, batchMaxRows } = loadConfig({}, EVENT_TYPES).ingestion;
  const settings = {
    events,
    partitions,
    lanes,
    batchMaxRows,
    databaseUrl: null,
    keep: keep ?? false,
    log: console.log,
  };
  await withEnvironment(settings, async (environment) => {
    const others = watchOthers(environment.pids.all);
    const rates: Rates[] = [];
    for (let round = 0; round < rounds; round += 1) {
      rates.push(await measureRates(environment, round));
      console.log(`round ${round + 1} of ${rounds}:`, rates.at(-1));
    }
    const latencies = await measureLatencies(environment, rounds);
    const block = renderBlock({ rates, latencies, others: others() }, environment);
    console.log(`\n${block}`);
    if (record) await appendFile(RESULTS, `\n${block}`);
    await deleteLogs(environment);
  });
}

interface Bench {
  environment: Environment;
  database: pg.Client;
  pid: number;
  consumerGroup: string;
  api: ReplayApi;
  assertRunning(): void;
}

/** A worker and an API over a fresh database. */
async function withWorker<T>(environment: Environment, work: (bench: Bench) => Promise<T>): Promise<T> {
  const databaseUrl = await environment.databases.fresh(OURS);
  const consumerGroup = `bench-replay-${randomUUID().slice(0, 8)}`;
  const env = workerEnv(environment, databaseUrl, consumerGroup);
  const log = path.join(environment.logs, `${consumerGroup}.log`);
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  const { pid, assertRunning, stop } = await startChild(process.execPath, [WORKER], env, log);
  const api = await openReplayApi(env);
  try {
    return await work({ environment, database, pid, consumerGroup, api, assertRunning });
  } finally {
    await api.close();
    await stop();
    await database.end();
  }
}

/** Each round begins with another: the first ingestion and a replay where nothing is known both begin with empty tables. */
function measureRates(environment: Environment, round: number): Promise<Rates> {
  return withWorker(environment, async (bench) => {
    const rates: Rates = { first: 0, known: 0, unknown: 0 };
    for (const way of rotate(['first', 'unknown'] as const, round)) {
      await empty(bench.database);
      await environment.databases.checkpoint();
      rates[way] = way === 'first' ? await ingest(bench) : await replay(bench, 'stored');
      if (rates.known === 0) {
        await environment.databases.checkpoint();
        rates.known = await replay(bench, 'skipped');
      }
    }
    return rates;
  });
}

/** What was read stays known to the chain alone. */
async function empty(database: pg.Client): Promise<void> {
  await database.query(`TRUNCATE analytics.crm_event_ledger, analytics.crm_events_log, analytics.crm_leads_staging,
    analytics.crm_contacts_staging, analytics.crm_opportunities_staging`);
}

async function ingest({ environment, database, pid, consumerGroup, assertRunning }: Bench): Promise<number> {
  const { temporal, namespace, backlog, signal, servers } = environment;
  const control = createIngestionControl(temporal, namespace);
  await control.start(
    ingestionSettings(loadConfig(workerEnv(environment, servers.DATABASE_URL, consumerGroup), EVENT_TYPES)),
  );
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

/** @throws Error when not every event came to what it should have */
async function replay({ environment, database, api }: Bench, outcome: 'stored' | 'skipped'): Promise<number> {
  const { settings, backlog } = environment;
  const { replayId } = await api.request({
    mode: 'missing',
    lanes: settings.lanes,
    ratePerSecond: null,
    topics: topicsOf(environment),
  });
  await api.untilFinished(replayId);
  const books = await readBooks(database, replayId);
  if (books[outcome] !== backlog.events) {
    throw new Error(
      `${books[outcome]} of ${backlog.events} events were ${outcome}; a figure for it would mean nothing`,
    );
  }
  return books.events / books.seconds;
}

const topicsOf = ({ backlog }: Environment) => Object.values(backlog.topics);

/** Live events at a steady rate, alone and beside a slow replay of the backlog, in turn. */
function measureLatencies(environment: Environment, rounds: number): Promise<Latency[]> {
  return withWorker(environment, async (bench) => {
    const { kafka, registry, temporal, namespace, backlog, servers } = environment;
    const { database, consumerGroup, api } = bench;
    await ingest(bench);
    const control = createIngestionControl(temporal, namespace);
    await control.start(
      ingestionSettings(loadConfig(workerEnv(environment, servers.DATABASE_URL, consumerGroup), EVENT_TYPES)),
    );
    const reader = createLogReader(kafka, { maxWaitMs: 500 });
    let sent = 0;

    async function steady(): Promise<number> {
      const before = await marksOf(reader, topicsOf(environment));
      const count = LIVE_RATE * STEADY_SECONDS;
      await produceEvents({
        kafka,
        registry,
        topics: backlog.topics,
        count,
        seed: 'live',
        from: sent,
        days: 1,
        now: Date.now(),
        rate: LIVE_RATE,
      });
      sent += count;
      await untilWritten({
        name: 'live events',
        pid: bench.pid,
        written: () => recordsOf(database, consumerGroup),
        pollMs: 200,
        expected: backlog.events + sent,
        signal: environment.signal,
        assertAlive: bench.assertRunning,
      });
      const after = await marksOf(reader, topicsOf(environment));
      return percentile(await latenciesBetween(database, reader, consumerGroup, before, after), 0.99);
    }

    async function beside(): Promise<number> {
      const { replayId } = await api.request({
        mode: 'missing',
        ratePerSecond: REPLAY_RATE,
        topics: topicsOf(environment),
      });
      const p99 = await steady();
      await api.tell(replayId, 'cancel');
      return p99;
    }

    try {
      await steady(); // The first events pay for what the worker does once.
      const latencies: Latency[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const latency: Latency = { alone: 0, beside: 0 };
        for (const way of rotate(['alone', 'beside'] as const, round)) {
          latency[way] = way === 'alone' ? await steady() : await beside();
        }
        console.log(`latency ${round + 1} of ${rounds}:`, latency);
        latencies.push(latency);
      }
      return latencies;
    } finally {
      await control.stop(consumerGroup).catch(() => {}); // a worker that has died can't stop: its workflow goes with the server
      reader.close();
    }
  });
}

interface Figures {
  rates: readonly Rates[];
  latencies: readonly Latency[];
  /** Share of the machine, null where unknown. */
  others: number | null;
}

function renderBlock({ rates, latencies, others }: Figures, { settings }: Environment): string {
  const ratio = (name: string, spread: Spread, limit: string) => [
    name,
    ...[spread.min, spread.median, spread.max].map((value) => value.toFixed(2)),
    limit,
  ];
  const whole = (values: readonly number[]) => Math.round(spreadOf(values).median).toLocaleString('en-US');
  const medians = (['first', 'known', 'unknown'] as const).map((way) => whole(rates.map((round) => round[way])));
  const [alone, beside] = [latencies.map((at) => at.alone), latencies.map((at) => at.beside)];
  return `${[
    `## ${new Date().toISOString().slice(0, 16).replace('T', ' ')}: replays`,
    `\`node bench/replay.ts ${process.argv.slice(2).join(' ')}\``,
    table(
      ['ratio', 'min', 'median', 'max', 'wanted'],
      [
        ratio(
          'replay of known events / first ingestion',
          spreadOf(rates.map(({ known, first }) => known / first)),
          `≥ ${LIMITS.known}`,
        ),
        ratio(
          'replay of unknown events / first ingestion',
          spreadOf(rates.map(({ unknown, first }) => unknown / first)),
          `≥ ${LIMITS.unknown}`,
        ),
        ratio(
          'live p99 beside a replay / alone',
          spreadOf(latencies.map((at) => at.beside / at.alone)),
          `≤ ${LIMITS.latency}`,
        ),
      ],
    ),
    `In this run alone: ${medians.join(', ')} events/s for first ingestion, known and unknown; p99 from produce to commit ${whole(alone)} ms alone and ${whole(beside)} ms beside (${LIVE_RATE.toLocaleString('en-US')} live events/s, ${REPLAY_RATE.toLocaleString('en-US')} replayed events/s).`,
    `${settings.events.toLocaleString('en-US')} events, ${settings.partitions} partitions a topic, ${settings.lanes} lanes, ${rates.length} rounds; ${os.availableParallelism()} cores.${others === null ? '' : ` Others used ${Math.round(others * 100)} % of the machine.`}`,
  ].join('\n\n')}\n`;
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
