// npm run demo: real servers, real events, from nothing to a table of results. Ctrl-C ends it; --exit ends by itself.
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { DatabasePool } from 'slonik';
import { createKafka } from '../adapters/kafka/client.ts';
import { migrate } from '../adapters/postgres/migrate.ts';
import { createPartitionsAhead } from '../adapters/postgres/partitions.ts';
import { createDatabasePool } from '../adapters/postgres/pool.ts';
import { registerSchemas } from '../adapters/registry/index.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { type Config, loadConfig } from '../platform/config.ts';
import { down, status, up } from '../stack/index.ts';
import { resolveInstance } from '../stack/instance.ts';
import { type Product, startProduct } from './demo/process.ts';
import { isRight, type Row, renderTable } from './demo/summary.ts';
import { batchSpeed, type Counts, databaseTime, difference, readCounts } from './demo/tables.ts';
import { ensureTopics, type ProduceOptions, produceEvents } from './lib/produce-events.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const RESENT = 1_000;
const DRAIN_TIMEOUT_MS = 300_000;

const { exit, events: count } = new Command('npm run demo --')
  .description(
    'Starts what is needed, ingests generated events under Temporal and shows the outcome. What was installed is kept for the next time.',
  )
  .option('--exit', 'end after the summary; exit code 1 if any count is off', false)
  .option('--events <count>', 'how many events to generate', Number, 10_000)
  .parse()
  .opts<{ exit: boolean; events: number }>();

const say = (line: string) => console.log(line);
/** What is undone at the end, last first. */
const undo: Array<() => Promise<unknown>> = [];
let interrupted = false;
process.once('SIGINT', () => {
  interrupted = true;
  say('\nstopping …');
  void finish().then((code) => process.exit(code));
  process.once('SIGINT', () => process.exit(130));
});

try {
  const { right, product } = await demo();
  process.exitCode = right ? 0 : 1;
  if (!exit) {
    say('\nIt goes on until Ctrl-C.');
    await product.ended;
  }
} catch (error) {
  if (!interrupted) {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
} finally {
  if (!interrupted) {
    await finish();
  }
}

async function finish(): Promise<number> {
  for (const step of undo.splice(0).reverse()) {
    await step().catch((error: unknown) => console.error(String(error)));
  }
  return Number(process.exitCode ?? 0);
}

async function demo(): Promise<{ right: boolean; product: Product }> {
  const environment = await servers();
  const config = loadConfig({ ...process.env, ...environment }, EVENT_TYPES);
  say('\nDatabase, topics and schemas');
  const pool = await prepare(config);
  say('\nWorker and API');
  const product = await startProduct(ROOT, environment, join(resolveInstance().dir, 'demo.log'));
  undo.push(() => product.stop());
  await Promise.race([call(product, 'POST', 'start'), product.ended]);
  say(`  up at ${product.url}, ingestion started`);
  await drained(product, 'what was there before');
  const rows = await Promise.race([ingest(config, pool, product), product.ended]);
  say(`\nSummary\n${renderTable(rows)}`);
  say(`
  API documentation  ${product.url}/docs
  Status             ${product.url}/api/v1/crm-ingestion/status
  Metrics            ${product.url}/metrics
  Temporal UI        ${environment.TEMPORAL_UI_URL}
  Database           ${environment.DATABASE_URL}`);
  return { right: isRight(rows), product };
}

/** Brings the servers up; those that this demo started go down with it, their data stays. */
async function servers(): Promise<Record<string, string>> {
  say('Servers (the first time they are downloaded and built, which takes some minutes)');
  const before = await status();
  const environment = await up({ log: (line) => say(`  ${line}`) });
  if (before.every((server) => !server.up)) {
    undo.push(() => down());
  }
  return environment;
}

async function prepare(config: Config): Promise<DatabasePool> {
  const applied = await migrate(config.postgres);
  const pool = await createDatabasePool({ ...config.postgres, poolSize: 2, applicationName: 'crm-demo' });
  undo.push(() => pool.end());
  await createPartitionsAhead(pool, Date.now(), config.partitions.ahead, config.partitions.interval);
  const topics = await ensureTopics(kafkaOf(config), config.topics);
  await registerSchemas(config.registry, config.topics);
  say(`  ${applied.length} migrations applied, ${topics.length} topics made, schemas registered`);
  return pool;
}

/** Generates, waits, sends a part again, waits, and compares. */
async function ingest(config: Config, pool: DatabasePool, product: Product): Promise<Row[]> {
  const before = await readCounts(pool);
  const began = await databaseTime(pool);
  say(`\nEvents: ${count.toLocaleString('en-US')} of ${EVENT_TYPES.length} types, 5 organizations, 7 days`);
  const options: ProduceOptions = {
    kafka: kafkaOf(config),
    registry: config.registry,
    topics: config.topics,
    count,
    seed: randomUUID(),
    now: Date.now(),
  };
  const produced = await produceEvents(options);
  await arrived(pool, before, { processed: count });
  const speed = await batchSpeed(pool, began);
  const { processingTime } = await call(product, 'GET', 'metrics');
  const resent = Math.min(RESENT, count);
  say(`The first ${resent.toLocaleString('en-US')} of them again`);
  await produceEvents({ ...options, count: resent });
  await arrived(pool, before, { processed: count, skipped: resent });
  const found = difference(await readCounts(pool), before);
  return [
    { what: 'produced', expected: null, found: count + resent },
    { what: 'processed', expected: count, found: found.processed },
    { what: 'skipped (sent again)', expected: resent, found: found.skipped },
    { what: 'failed or filtered', expected: 0, found: found.other },
    { what: 'rows in crm_leads_staging', expected: produced.byEntity.lead, found: found.leads },
    { what: 'rows in crm_contacts_staging', expected: produced.byEntity.contact, found: found.contacts },
    { what: 'rows in crm_opportunities_staging', expected: produced.byEntity.opportunity, found: found.opportunities },
    { what: 'events/s between first and last commit', expected: null, found: speed === null ? '–' : Math.round(speed) },
    { what: 'produce to commit, p50', expected: null, found: milliseconds(processingTime?.p50Ms) },
    { what: 'produce to commit, p99', expected: null, found: milliseconds(processingTime?.p99Ms) },
  ];
}

/** Waits until the counts have grown by so much, and shows how far they are. */
async function arrived(pool: DatabasePool, before: Counts, wanted: Partial<Counts>): Promise<void> {
  const until = Date.now() + DRAIN_TIMEOUT_MS;
  let shown = Date.now();
  for (;;) {
    const now = difference(await readCounts(pool), before);
    const missing = Object.entries(wanted).filter(([name, amount]) => now[name as keyof Counts] < amount);
    if (missing.length === 0) {
      return;
    }
    const progress = missing.map(([name, amount]) => `${now[name as keyof Counts]} of ${amount} ${name}`).join(', ');
    if (Date.now() > until) {
      throw new Error(`after ${DRAIN_TIMEOUT_MS / 1000} s there are only ${progress}`);
    }
    if (Date.now() - shown > 1_000) {
      say(`  ${progress}`);
      shown = Date.now();
    }
    await sleep(50);
  }
}

/** Waits until the ingestion has nothing left to read. */
async function drained(product: Product, what: string): Promise<void> {
  const until = Date.now() + DRAIN_TIMEOUT_MS;
  for (let shown = Date.now(); ; ) {
    const { partitions, lag, phase } = await call(product, 'GET', 'status');
    if (phase === 'running' && (partitions?.length ?? 0) > 0 && lag?.events === 0) {
      return;
    }
    if (Date.now() > until) {
      throw new Error(
        `${what} is not ingested after ${DRAIN_TIMEOUT_MS / 1000} s: see ${product.url}/api/v1/crm-ingestion/status`,
      );
    }
    if (Date.now() - shown > 2_000) {
      say(`  waiting for ${what}: ${lag?.events ?? 'unknown'} events`);
      shown = Date.now();
    }
    await sleep(200);
  }
}

/** The fields of the API's answers that the demo reads. */
interface Answer {
  phase?: string;
  partitions?: unknown[] | null;
  lag?: { events: number } | null;
  processingTime?: { p50Ms: number; p99Ms: number } | null;
  title?: string;
  detail?: string;
}

async function call(product: Product, method: 'GET' | 'POST', what: string): Promise<Answer> {
  const response = await fetch(`${product.url}/api/v1/crm-ingestion/${what}`, { method });
  const body = (await response.json()) as Answer;
  if (!response.ok) {
    throw new Error(`${method} ${what} answered ${response.status}: ${body.detail ?? body.title}`);
  }
  return body;
}

function kafkaOf(config: Config) {
  return createKafka({ ...config.kafka, log: () => {} });
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '–' : `${Math.round(value).toLocaleString('en-US')} ms`;
}
