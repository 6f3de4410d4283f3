// `npm run bench`: our path from Kafka into PostgreSQL beside what limits it, and beside its rival.
import { appendFile } from 'node:fs/promises';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { EVENT_TYPES } from '../domain/events.ts';
import { loadConfig } from '../platform/config.ts';
import { withLock } from '../stack/cache.ts';
import { withoutPassword } from '../stack/instance.ts';
import { positive, runCommand } from './command.ts';
import type { Contestant } from './contestants/contestant.ts';
import { createCopy } from './contestants/copy.ts';
import { createDuplicates, createPath } from './contestants/path.ts';
import { createWriter } from './contestants/writer.ts';
import { deleteLogs, type Environment, OURS, withEnvironment } from './environment.ts';
import { PEER, withPeer } from './peer/index.ts';
import { PEER_VERSIONS } from './peer/install.ts';
import { describeOthers, type RunFacts, renderBlock, renderTables } from './report.ts';
import { type Round, runRounds, type Unit } from './rounds.ts';

interface Options {
  events: number;
  rounds: number;
  partitions: number;
  peer?: boolean;
  databaseUrl?: string;
  note?: string;
  keep?: boolean;
}

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));

const program = new Command('bench')
  .description('Measures the way from Kafka into PostgreSQL: every contestant writes the same events in each round')
  .option('--events <n>', 'events that each contestant writes', positive, 200_000)
  .option('--rounds <n>', 'how often; the ratios are medians over the rounds', positive, 5)
  .option('--partitions <n>', 'partitions of each topic', positive, 6)
  .option('--peer', 'also measure Kafka Connect with the Debezium JDBC sink, installed at first use')
  .option('--database-url <url>', 'measure on this PostgreSQL server; its user must be a superuser')
  .option('--note <text>', 'goes into the heading in bench/RESULTS.md')
  .option('--keep', 'leave the servers running, for the next run to start sooner')
  .addHelpText(
    'after',
    `
Contestants:
  copy        COPY of the same rows into the staging tables: the limit
  writer      our whole write (ledger, staging, events log, positions, chain) from memory
  path        a worker process that reads the backlog from Kafka
  duplicates  the same backlog once more: nothing is new
  peer        with --peer

With npm, options go behind "--":  npm run bench -- --events 20000 --rounds 1`,
  )
  .action((options: Options) => withLock('bench', console.log, () => bench(options)));

const shellWord = (text: string) => (/^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

async function bench({
  events,
  rounds,
  partitions,
  peer = false,
  databaseUrl,
  note,
  keep = false,
}: Options): Promise<void> {
  // What users get who configure nothing.
  const { lanes, batchMaxRows } = loadConfig({}, EVENT_TYPES).ingestion;
  const settings = {
    events,
    partitions,
    lanes,
    batchMaxRows,
    databaseUrl: databaseUrl ?? null,
    keep,
    log: console.log,
  };
  await withEnvironment(settings, async (environment) => {
    const results = peer
      ? await withPeer(environment, console.log, (rival) => measure(environment, rounds, rival))
      : await measure(environment, rounds, null);
    console.log(`\n${renderTables(results)}\n\n${describeOthers(results) ?? ''}\n`);
    const facts: RunFacts = {
      command: ['npm run bench --', ...process.argv.slice(2).map(withoutPassword).map(shellWord)].join(' '),
      at: new Date().toISOString().slice(0, 16).replace('T', ' '),
      versions: await versionsOf(environment, peer),
      cores: os.availableParallelism(),
      events,
      partitions,
      lanes,
      note: note ?? null,
    };
    await appendFile(RESULTS, `\n${renderBlock(results, facts)}`);
    await deleteLogs(environment);
    console.log('appended to bench/RESULTS.md');
  });
}

function measure(environment: Environment, rounds: number, peer: Contestant | null): Promise<Round[]> {
  const { backlog, databases, settings, pids, signal } = environment;
  const units: Unit[] = [
    { template: OURS, contestants: [createCopy(backlog)] },
    { template: OURS, contestants: [createWriter(backlog)] },
    { template: OURS, contestants: [createPath(environment), createDuplicates(environment)] },
    ...(peer === null ? [] : [{ template: PEER, contestants: [peer] }]),
  ];
  return runRounds({
    rounds,
    units,
    databases,
    events: settings.events,
    postgresPid: pids.postgres,
    serverPids: pids.all,
    log: console.log,
    signal,
  });
}

async function versionsOf({ databases, titles }: Environment, peer: boolean): Promise<string[]> {
  const servers = titles.filter((title) => !title.startsWith('PostgreSQL'));
  const { connect, sink, converter } = PEER_VERSIONS;
  return [
    `Node ${process.versions.node}`,
    `PostgreSQL ${await databases.serverVersion()}`,
    ...servers,
    ...(peer ? [`Kafka Connect ${connect}, Debezium JDBC sink ${sink}, Apicurio converter ${converter}`] : []),
  ];
}

await runCommand(program);
