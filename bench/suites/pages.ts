// What huge pages save PostgreSQL: the same writes to two servers that differ in nothing else, turn by turn.
import { down, up } from '../../stack/index.ts';
import { readLanes } from '../backlog.ts';
import { positive } from '../command.ts';
import type { Contestant } from '../contestants/contestant.ts';
import { createWriter } from '../contestants/writer.ts';
import { type Databases, openDatabases } from '../databases.ts';
import { deleteLogs, type Environment, OURS, prepareOurs, withEnvironment } from '../environment.ts';
import { requireHugePages } from '../huge-pages.ts';
import { watchOthers } from '../machine.ts';
import { ratioCells } from '../ratios.ts';
import { table } from '../report.ts';
import { measure, rotate } from '../rounds.ts';
import { fillTables, warmIndexes } from '../scale/fill.ts';
import { ADVISED_SETTINGS, type Closing, closingAfterwards } from '../servers.ts';
import { spreadOf } from '../statistics.ts';
import type { CommonOptions, Suite } from './suite.ts';

interface Options extends CommonOptions {
  events: number;
  /** Millions. */
  filled: number;
  rounds: number;
  partitions: number;
}

const SIZES = ['small', 'huge'] as const;
type Size = (typeof SIZES)[number];
type BySize<T> = Readonly<Record<Size, T>>;

interface Server {
  databases: Databases;
  pid: number;
}

interface Measured {
  /** Events a second. */
  rate: number;
  /** CPU of PostgreSQL with all its processes, in seconds per million events. */
  cpu: number;
}

interface Found {
  rounds: Array<BySize<Measured>>;
  /** Share of the machine that others used in each round, 0 to 1; null where unknown. */
  others: Array<number | null>;
  /** Such as "on 4 connections (tried: 2, 4, 8)". */
  choice: string | null;
}

/** Less than is advised: there are two, beside the run's own. */
const SHARED_BUFFERS = { setting: '1GB', bytes: 2 ** 30 };
const SETTINGS = { ...ADVISED_SETTINGS, shared_buffers: SHARED_BUFFERS.setting };
const INSTANCES = {
  small: { name: 'bench-small-pages', portOffset: 11_000, postgresSettings: { ...SETTINGS, huge_pages: 'off' } },
  huge: { name: 'bench-huge-pages', portOffset: 12_000, postgresSettings: { ...SETTINGS, huge_pages: 'on' } },
};
const CONNECTIONS = [2, 4, 8];
const MILLION = 1_000_000;

export const pages: Suite<Options> = {
  name: 'pages',
  summary: 'What huge pages save PostgreSQL, in time and in CPU',
  configure(command) {
    command
      .option('--events <n>', 'events that are written to each server', positive, 400_000)
      .option('--filled <n>', 'millions of events that the ledger knows before', positive, 0)
      .option('--rounds <n>', 'how often; the ratios are medians over the rounds', positive, 7)
      .option('--partitions <n>', 'partitions of each topic', positive, 6);
  },
  async run({ events, filled, rounds, partitions, databaseUrl, keep }, { log, report }) {
    if (databaseUrl !== undefined) throw new Error('this suite measures servers of its own: leave out --database-url');
    requireHugePages(SHARED_BUFFERS.bytes);
    await closingAfterwards(log, async (closing) => {
      // Before the run's own, which would take the huge pages if it could.
      const servers = { small: await open('small', log, closing), huge: await open('huge', log, closing) };
      await withEnvironment({ events, partitions, keep, log }, async (environment) => {
        const found = await compare(environment, servers, { filled, rounds }, log);
        await report({
          paragraphs: paragraphsOf(found, environment.settings, filled),
          versions: environment.versions,
          others: found.others,
        });
        await deleteLogs(environment);
      });
    });
  },
};

async function open(size: Size, log: (line: string) => void, closing: Closing): Promise<Server> {
  process.env.CRM_STACK = 'native';
  const instance = { ...INSTANCES[size], log };
  closing.push(() => down(instance, { wipe: true }));
  const { DATABASE_URL } = await up(instance, ['postgres']);
  const databases = await openDatabases(DATABASE_URL, 'crm_bench_pages');
  closing.push(() => databases.close());
  const pid = await databases.serverPid();
  if (pid === null) throw new Error('this suite needs Linux and a PostgreSQL on this machine');
  return { databases, pid };
}

async function compare(
  environment: Environment,
  servers: BySize<Server>,
  { filled, rounds: count }: Pick<Options, 'filled' | 'rounds'>,
  log: (line: string) => void,
): Promise<Found> {
  const { backlog, pids, signal } = environment;
  for (const { databases } of Object.values(servers)) {
    await databases.template(OURS, (url) => prepare(url, environment, filled, log));
  }
  const fresh = ({ databases }: Server) => freshAndWarm(databases, filled > 0);
  log('reading the events into memory …');
  const lanes = await readLanes(environment, Math.max(...CONNECTIONS));
  const writer = createWriter(lanes, backlog.events, CONNECTIONS);
  log('warming up …');
  const choice = (await writer.warmUp?.(() => fresh(servers.small), signal)) ?? null;
  const found: Found = { rounds: [], others: [], choice };
  const ours = [...pids.all, servers.small.pid, servers.huge.pid];
  for (let round = 0; round <= count; round += 1) {
    const others = watchOthers(ours);
    const measured: Partial<Record<Size, Measured>> = {};
    for (const size of rotate(SIZES, round)) {
      signal.throwIfAborted();
      const url = await fresh(servers[size]);
      const { rate, cpu } = await write(writer, servers[size], url, { events: backlog.events, signal });
      measured[size] = { rate, cpu };
      const label = round === 0 ? 'for the caches' : `round ${round} of ${count}`;
      log(`${label}: ${size} pages ${whole(rate)} events/s, ${cpu.toFixed(1)} CPU s per million`);
    }
    if (round === 0) continue;
    found.rounds.push(measured as BySize<Measured>);
    found.others.push(others());
  }
  return found;
}

async function prepare(
  url: string,
  { settings, signal }: Environment,
  filled: number,
  log: (line: string) => void,
): Promise<void> {
  await prepareOurs(url, settings);
  if (filled === 0) return;
  log(`filling a ledger with ${filled} million events …`);
  await fillTables(url, { events: filled * MILLION, tables: 'ledger', from: settings.from, to: settings.now }, signal);
}

/** A copied database is not in the buffers as one is whose rows have just been written. */
async function freshAndWarm(databases: Databases, warm: boolean): Promise<string> {
  const url = await databases.fresh(OURS);
  if (warm) await warmIndexes(url);
  return url;
}

async function write(
  writer: Contestant,
  { databases, pid }: Server,
  url: string,
  { events, signal }: { events: number; signal: AbortSignal },
): Promise<Measured> {
  const pids = { postgres: pid, byName: {} };
  const measured = await measure(writer, url, { databases, events, pids, signal });
  const cpu = measured.serverCpuPerMillion.postgres;
  if (cpu === null) throw new Error('PostgreSQL ended while it was measured');
  return { rate: measured.events / measured.seconds, cpu };
}

function paragraphsOf(
  { rounds, choice }: Found,
  { events, partitions, lanes }: Environment['settings'],
  filled: number,
): string[] {
  const ratios = (pick: (measured: Measured) => number) =>
    ratioCells(spreadOf(rounds.map(({ huge, small }) => pick(huge) / pick(small))));
  const medianOf = (size: Size, pick: (measured: Measured) => number) =>
    spreadOf(rounds.map((round) => pick(round[size]))).median;
  return [
    table(
      ['ratio', 'min', 'median', 'max'],
      [
        ['events/s, huge / small pages', ...ratios(({ rate }) => rate)],
        ["PostgreSQL's CPU, huge / small pages", ...ratios(({ cpu }) => cpu)],
      ],
    ),
    'Valid within this run alone:',
    table(
      ['median', 'events/s', 'PostgreSQL CPU s per million'],
      SIZES.map((size) => [
        `${size} pages`,
        whole(medianOf(size, ({ rate }) => rate)),
        medianOf(size, ({ cpu }) => cpu).toFixed(1),
      ]),
    ),
    [
      `${whole(events)} events, ${partitions} partitions a topic, ${lanes} lanes`,
      `the ledger knew ${whole(filled * MILLION)} before`,
      `rounds: ${rounds.length}`,
      `writer ${choice}`,
      `shared_buffers ${SHARED_BUFFERS.setting}.`,
    ].join('; '),
  ];
}

const whole = (value: number) => Math.round(value).toLocaleString('en-US');
