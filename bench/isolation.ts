// `node bench/isolation.ts`: what row security costs the writer, and what it saves to plan a small batch's statement once.
// The same batches as a superuser, whom no policy binds, as a login that is no more than crm_ingest, and as that login with
// each statement planned anew, turn by turn.
import { appendFile } from 'node:fs/promises';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { sql } from 'slonik';
import { migrate } from '../adapters/postgres/migrate.ts';
import { createPartitionsAhead } from '../adapters/postgres/partitions.ts';
import { createDatabasePool } from '../adapters/postgres/pool.ts';
import { withLock } from '../stack/cache.ts';
import { down, up } from '../stack/index.ts';
import { positive, runCommand } from './command.ts';
import { type Databases, openDatabases } from './databases.ts';
import { type LeadWriter, openLeadWriter } from './lead-writer.ts';
import { table } from './report.ts';
import { rotate } from './rounds.ts';
import { type Spread, spreadOf } from './statistics.ts';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));
const INSTANCE = { name: 'bench-isolation', portOffset: 26_000 };
const LOGIN = 'crm_bench_ingest';
/** Events in one statement: of a single one most is planning, which policies take part in. */
const SIZES = [1, 10, 100, 1_000];
const WARM_UP = 10;

interface Options {
  writes: number;
  record?: boolean;
}

const program = new Command('isolation')
  .description('Writes the same batches with and without row security, and with each statement planned anew')
  .option('--writes <n>', 'of each size, as each login', positive, 200)
  .option('--record', 'append a block to bench/RESULTS.md')
  .action((options: Options) => withLock('bench', console.log, () => bench(options)));

async function bench(options: Options): Promise<void> {
  process.env.CRM_STACK = 'native';
  const { DATABASE_URL } = await up({ ...INSTANCE, log: console.log }, ['postgres']);
  const databases = await openDatabases(DATABASE_URL, 'crm_bench_isolation');
  try {
    const urls = {
      free: await make(databases, 'free'),
      bound: asIngest(await make(databases, 'bound')),
      replanned: planningAnew(asIngest(await make(databases, 'replanned'))),
    };
    const comparisons = await compare(urls, options.writes);
    const block = renderBlock(comparisons, await databases.serverVersion());
    console.log(`\n${block}`);
    if (options.record) await appendFile(RESULTS, `\n${block}`);
  } finally {
    await databases.close();
    await down({ ...INSTANCE, log: console.log }, { wipe: true });
  }
}

/** A database with today's partitions, and the login that the cluster has for both. @returns its URL */
async function make(databases: Databases, name: string): Promise<string> {
  let made = '';
  await databases.template(name, async (url) => {
    made = url;
    await migrate({ url, ca: null });
    const pool = await createDatabasePool({ url, ca: null, poolSize: 1, applicationName: 'crm-bench' });
    await createPartitionsAhead(pool, Date.now(), 1, 'day');
    if (!(await pool.exists(sql.unsafe`SELECT FROM pg_roles WHERE rolname = ${LOGIN}`))) {
      await pool.query(sql.unsafe`CREATE ROLE ${sql.identifier([LOGIN])} LOGIN IN ROLE crm_ingest`);
    }
    await pool.end();
  });
  return made;
}

function asIngest(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.username = LOGIN;
  url.password = '';
  return url.href;
}

function planningAnew(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.searchParams.set('options', '-c plan_cache_mode=force_custom_plan');
  return url.href;
}

const WAYS = ['free', 'bound', 'replanned'] as const;
type Way = (typeof WAYS)[number];

interface Comparison {
  events: number;
  /** Medians, in milliseconds. */
  ms: Record<Way, number>;
  /** Of the writes of each turn: row security, and planning once, divided by going without. */
  isolation: Spread;
  planning: Spread;
}

/** One write each way, each first in turn, so that whatever else the machine does meets all. */
async function compare(urls: Readonly<Record<Way, string>>, writes: number): Promise<Comparison[]> {
  const writers: Record<Way, LeadWriter> = {
    free: await openLeadWriter(urls.free),
    bound: await openLeadWriter(urls.bound),
    replanned: await openLeadWriter(urls.replanned),
  };
  try {
    const comparisons: Comparison[] = [];
    for (const events of SIZES) {
      const turns: Array<Record<Way, number>> = [];
      for (let turn = 0; turn < writes + WARM_UP; turn += 1) {
        const took = { free: 0, bound: 0, replanned: 0 };
        for (const way of rotate(WAYS, turn)) took[way] = await writers[way].write(events);
        if (turn >= WARM_UP) turns.push(took);
      }
      const median = (way: Way) => spreadOf(turns.map((took) => took[way])).median;
      comparisons.push({
        events,
        ms: { free: median('free'), bound: median('bound'), replanned: median('replanned') },
        isolation: spreadOf(turns.map(({ bound, free }) => bound / free)),
        planning: spreadOf(turns.map(({ bound, replanned }) => bound / replanned)),
      });
    }
    return comparisons;
  } finally {
    await Promise.all(Object.values(writers).map((writer) => writer.close()));
  }
}

function renderBlock(comparisons: Comparison[], version: string): string {
  return `${[
    `## ${new Date().toISOString().slice(0, 16).replace('T', ' ')}: row security, prepared statements and the writer`,
    `\`node bench/isolation.ts ${process.argv.slice(2).join(' ')}\``,
    "The writer's statement as a superuser, whom no policy binds, as a member of crm_ingest alone, and as that member with each statement planned anew (`plan_cache_mode=force_custom_plan`); medians of alternating writes, and of the ratios of each turn:",
    table(
      [
        'events',
        'superuser, ms',
        'crm_ingest, ms',
        'planned anew, ms',
        'crm_ingest / superuser',
        'crm_ingest / planned anew',
      ],
      comparisons.map(({ events, ms, isolation, planning }) => [
        String(events),
        ...WAYS.map((way) => ms[way].toFixed(2)),
        `**${isolation.median.toFixed(3)}**`,
        `**${planning.median.toFixed(3)}**`,
      ]),
    ),
    `PostgreSQL ${version}; ${os.availableParallelism()} cores.`,
  ].join('\n\n')}\n`;
}

await runCommand(program);
