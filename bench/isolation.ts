// `node bench/isolation.ts`: what row security costs the writer. The same batches as a superuser, whom no policy binds, and
// as a login that is no more than crm_ingest, turn by turn.
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
import { openLeadWriter } from './lead-writer.ts';
import { table } from './report.ts';
import { type Spread, spreadOf } from './statistics.ts';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));
const INSTANCE = { name: 'bench-isolation', portOffset: 26_000 };
const LOGIN = 'crm_bench_ingest';
/** Events in one statement: of a single one most is planning, which policies take part in. */
const SIZES = [1, 100, 1_000];
const WARM_UP = 10;

interface Options {
  writes: number;
  record?: boolean;
}

const program = new Command('isolation')
  .description('Writes the same batches with and without row security')
  .option('--writes <n>', 'of each size, as each login', positive, 200)
  .option('--record', 'append a block to bench/RESULTS.md')
  .action((options: Options) => withLock('bench', console.log, () => bench(options)));

async function bench(options: Options): Promise<void> {
  process.env.CRM_STACK = 'native';
  const { DATABASE_URL } = await up({ ...INSTANCE, log: console.log }, ['postgres']);
  const databases = await openDatabases(DATABASE_URL, 'crm_bench_isolation');
  try {
    const comparisons = await compare(
      { free: await make(databases, 'free'), bound: asIngest(await make(databases, 'bound')) },
      options.writes,
    );
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

interface Comparison {
  events: number;
  /** Medians, in milliseconds. */
  free: number;
  bound: number;
  /** Of each pair of writes. */
  ratio: Spread;
}

/** One write here, one write there, each first in turn, so that whatever else the machine does meets both. */
async function compare(urls: Record<'free' | 'bound', string>, writes: number): Promise<Comparison[]> {
  const [free, bound] = [await openLeadWriter(urls.free), await openLeadWriter(urls.bound)];
  try {
    const comparisons: Comparison[] = [];
    for (const events of SIZES) {
      const pairs: Array<{ free: number; bound: number }> = [];
      for (let round = 0; round < writes + WARM_UP; round += 1) {
        const pair =
          round % 2 === 0
            ? { free: await free.write(events), bound: await bound.write(events) }
            : { bound: await bound.write(events), free: await free.write(events) };
        if (round >= WARM_UP) pairs.push(pair);
      }
      comparisons.push({
        events,
        free: spreadOf(pairs.map((pair) => pair.free)).median,
        bound: spreadOf(pairs.map((pair) => pair.bound)).median,
        ratio: spreadOf(pairs.map((pair) => pair.bound / pair.free)),
      });
    }
    return comparisons;
  } finally {
    await free.close();
    await bound.close();
  }
}

function renderBlock(comparisons: Comparison[], version: string): string {
  return `${[
    `## ${new Date().toISOString().slice(0, 16).replace('T', ' ')}: row security and the writer`,
    `\`node bench/isolation.ts ${process.argv.slice(2).join(' ')}\``,
    "The writer's statement as a superuser, whom no policy binds, and as a member of crm_ingest alone; medians of alternating writes, and of the ratios of each pair:",
    table(
      ['events', 'superuser, ms', 'crm_ingest, ms', 'ratio'],
      comparisons.map(({ events, free, bound, ratio }) => [
        String(events),
        free.toFixed(2),
        bound.toFixed(2),
        `**${ratio.median.toFixed(3)}**`,
      ]),
    ),
    `PostgreSQL ${version}; ${os.availableParallelism()} cores.`,
  ].join('\n\n')}\n`;
}

await runCommand(program);
