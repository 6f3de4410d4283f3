// `node bench/partitions.ts`: a thousand partitions of each table. How long a run of the maintenance takes, and what the
// writer's statement costs beside a database with ten.
import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { type DatabasePool, sql } from 'slonik';
import { PARTITIONED, type StepReport } from '../activities/maintenance-ports.ts';
import { createMaintenanceWork } from '../adapters/postgres/maintenance.ts';
import { migrate } from '../adapters/postgres/migrate.ts';
import { createDatabasePool } from '../adapters/postgres/pool.ts';
import { createRetentionRules } from '../adapters/postgres/retention.ts';
import { withLock } from '../stack/cache.ts';
import { down, up } from '../stack/index.ts';
import { positive, runCommand } from './command.ts';
import { type Databases, openDatabases } from './databases.ts';
import { openLeadWriter } from './lead-writer.ts';
import { table } from './report.ts';
import { spreadOf } from './statistics.ts';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));
const INSTANCE = { name: 'bench-partitions', portOffset: 40_000 };
const DAY_MS = 86_400_000;
const FEW = 10;
/** Events in one statement: one is mostly planning. */
const SIZES = [1, 1_000];
const WARM_UP = 10;

interface Options {
  partitions: number;
  writes: number;
  record?: boolean;
}

const program = new Command('partitions')
  .description('Maintains many partitions, and writes beside them')
  .option('--partitions <n>', 'of each table', positive, 1_000)
  .option('--writes <n>', 'of each size, into each database', positive, 100)
  .option('--record', 'append a block to bench/RESULTS.md')
  .action((options: Options) => withLock('bench', console.log, () => bench(options)));

async function bench(options: Options): Promise<void> {
  process.env.CRM_STACK = 'native';
  const { DATABASE_URL } = await up({ ...INSTANCE, log: console.log }, ['postgres']);
  const databases = await openDatabases(DATABASE_URL, 'crm_bench_partitions');
  try {
    await measure(databases, options);
  } finally {
    await databases.close();
    await down({ ...INSTANCE, log: console.log }, { wipe: true });
  }
}

async function measure(databases: Databases, options: Options): Promise<void> {
  const urls = {
    few: await make(databases, 'few', FEW),
    many: await make(databases, 'many', options.partitions),
  };
  const writes = await compareWrites(urls, options.writes);
  const run = await maintain(urls.many, options.partitions);
  const block = renderBlock(writes, run, options, await databases.serverVersion());
  console.log(`\n${block}`);
  if (options.record) await appendFile(RESULTS, `\n${block}`);
}

/** A database whose tables have so many partitions, the last of them today's. @returns its URL */
async function make(databases: Databases, name: string, partitions: number): Promise<string> {
  let made = '';
  await databases.template(name, async (url) => {
    made = url;
    await prepare(url, partitions);
  });
  return made;
}

async function prepare(url: string, partitions: number): Promise<void> {
  console.log(`making ${partitions} partitions of each table …`);
  await migrate({ url, ca: null });
  await withPool(url, async (pool) => {
    const first = today() - (partitions - 1) * DAY_MS;
    for (const parent of PARTITIONED) {
      await pool.transaction(async (transaction) => {
        for (let at = first; at <= today(); at += DAY_MS) {
          const [lower, upper] = [new Date(at), new Date(at + DAY_MS)].map((time) => time.toISOString());
          const name = `${parent}_p${lower?.slice(0, 10).replaceAll('-', '')}`;
          await transaction.query(sql.unsafe`
            CREATE TABLE ${sql.identifier(['analytics', name])} PARTITION OF ${sql.identifier(['analytics', parent])}
            FOR VALUES FROM (${sql.literalValue(lower ?? '')}) TO (${sql.literalValue(upper ?? '')})
          `);
        }
      });
    }
  });
}

interface Comparison {
  events: number;
  /** Medians, in milliseconds. */
  few: number;
  many: number;
}

/** One write here, one write there, so that whatever else the machine does meets both. */
async function compareWrites(urls: Record<'few' | 'many', string>, writes: number): Promise<Comparison[]> {
  const [few, many] = [await openLeadWriter(urls.few), await openLeadWriter(urls.many)];
  try {
    const comparisons: Comparison[] = [];
    for (const events of SIZES) {
      const times: Record<'few' | 'many', number[]> = { few: [], many: [] };
      for (let round = 0; round < writes + WARM_UP; round += 1) {
        const measured = { few: await few.write(events), many: await many.write(events) };
        if (round >= WARM_UP) {
          times.few.push(measured.few);
          times.many.push(measured.many);
        }
      }
      comparisons.push({ events, few: spreadOf(times.few).median, many: spreadOf(times.many).median });
    }
    return comparisons;
  } finally {
    await few.close();
    await many.close();
  }
}

interface Run {
  seconds: number;
  steps: Array<{ name: string; seconds: number; counts: StepReport['counts'] }>;
}

/** A day's work: a week of partitions ahead, a day of each table past retention, some rows in a DEFAULT partition. */
async function maintain(url: string, partitions: number): Promise<Run> {
  return withPool(url, async (pool) => {
    const rules = createRetentionRules(pool);
    for (const parent of PARTITIONED) {
      const rule = { afterwards: 'drop', late: 'quarantine', changedBy: 'bench' } as const;
      await rules.put({ ...rule, table: parent, organizationId: null, keepDays: partitions - 2 });
      await rules.put({ ...rule, table: parent, organizationId: 'org-1', keepDays: 30 });
    }
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_leads_staging (
        id, event_id, lead_id, organization_id, event_timestamp, event_type, ingestion_id
      )
      SELECT ${randomUUID()}, 'stray-' || n, 'lead', 'org-2', now() + interval '30 days', 'lead.created', ${randomUUID()}
      FROM generate_series(1, 1000) n
    `);
    const work = createMaintenanceWork(pool, { interval: 'day', ahead: 7 });
    const options = {
      dryRun: false,
      maintenanceWindow: false,
      signal: new AbortController().signal,
      progress: () => {},
    };
    const steps: Run['steps'] = [];
    for (const name of ['makeAhead', 'drain', 'retire', 'deleteExpired'] as const) {
      const begun = performance.now();
      const { counts } = await work[name](options);
      steps.push({ name, seconds: (performance.now() - begun) / 1_000, counts });
    }
    return { seconds: steps.reduce((sum, { seconds }) => sum + seconds, 0), steps };
  });
}

async function withPool<T>(url: string, work: (pool: DatabasePool) => Promise<T>): Promise<T> {
  const pool = await createDatabasePool({ url, ca: null, poolSize: 2, applicationName: 'crm-bench' });
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

function today(): number {
  return Math.floor(Date.now() / DAY_MS) * DAY_MS;
}

function renderBlock(writes: Comparison[], run: Run, { partitions }: Options, version: string): string {
  return `${[
    `## ${new Date().toISOString().slice(0, 16).replace('T', ' ')}: ${partitions} partitions of each table`,
    `\`node bench/partitions.ts ${process.argv.slice(2).join(' ')}\``,
    `A run of the maintenance: **${run.seconds.toFixed(1)} s**.`,
    table(
      ['step', 'seconds', 'what it did'],
      run.steps.map(({ name, seconds, counts }) => [
        name,
        seconds.toFixed(2),
        Object.entries(counts)
          .map(([what, count]) => `${what} ${count}`)
          .join(', '),
      ]),
    ),
    "Planning and execution of the writer's statement, all events of one day, medians of alternating writes:",
    table(
      ['events', `${FEW} partitions, ms`, `${partitions} partitions, ms`, 'ratio'],
      writes.map(({ events, few, many }) => [
        String(events),
        few.toFixed(2),
        many.toFixed(2),
        `**${(many / few).toFixed(2)}**`,
      ]),
    ),
    `PostgreSQL ${version}; ${os.availableParallelism()} cores.`,
  ].join('\n\n')}\n`;
}

await runCommand(program);
