// `npm run bench -- flood`: what thousands of bad tokens a second do to ingestion, and to whoever has a good one.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import { TOPIC_ROLES, type TopicRole } from '../../domain/schemas.ts';
import { positive } from '../command.ts';
import { workerEnv } from '../contestants/path.ts';
import { deleteLogs, type Environment, OURS, withEnvironment } from '../environment.ts';
import { type Caller, startCallers } from '../flood/callers.ts';
import { type Door, openDoor } from '../flood/door.ts';
import { startFlood } from '../flood/flooder.ts';
import { type FloodRun, judge, renderFlood, WAYS, type Way } from '../flood/report.ts';
import { openGenerator } from '../latency/generator.ts';
import { type Ingestion, startIngestion } from '../latency/ingestion.ts';
import { latenciesOf, summaryOf } from '../latency/latencies.ts';
import { openPositionsSight } from '../latency/positions-sight.ts';
import { runSteady } from '../latency/steady.ts';
import { cpuSecondsOf, watchOthers } from '../machine.ts';
import { rotate } from '../rounds.ts';
import { type Closing, closingAfterwards } from '../servers.ts';
import type { CommonOptions, Suite, Tools } from './suite.ts';

interface FloodOptions extends CommonOptions {
  rate: number;
  flood: number;
  connections: number;
  behindProxy?: true;
  seconds: number;
  warmUp: number;
  rounds: number;
  events: number;
}

const PARTITIONS = 6;
/** Records are sent and looked for this often: a small part of the latencies in question, and of the machine. */
const TICK_MS = 5;
/** Bad tokens that are shown in turn. */
const BAD_TOKENS = 200;
/** A question that PostgreSQL answers. */
const PATH = '/api/v1/crm-ingestion/streams';
/** Until the API refuses without looking, and callers are known. */
const SETTLE_MS = 1_000;

export const flood: Suite<FloodOptions> = {
  name: 'flood',
  summary:
    'thousands of bad tokens a second: latency of ingestion beside it, good tokens all along; exit code 1 when it fails',
  configure(command: Command) {
    command
      .option('--rate <n>', 'events per second that are ingested', positive, 1_000)
      .option('--flood <n>', 'requests with bad tokens per second', positive, 5_000)
      .option('--connections <n>', 'that they come over', positive, 400)
      .option('--behind-proxy', 'as if a proxy brought it all: then the API holds no answer back')
      .option('--seconds <n>', 'measured each time', positive, 30)
      .option('--warm-up <n>', 'seconds at the same rate before, not measured', positive, 5)
      .option('--rounds <n>', 'how often, each time calm and flooded in turn', positive, 5)
      .option('--events <n>', 'different events, sent again and again under other ids', positive, 100_000);
  },
  async run(options, tools) {
    const { events, databaseUrl, keep } = options;
    const settings = { events, partitions: PARTITIONS, databaseUrl, keep, log: tools.log };
    await withEnvironment(settings, (environment) =>
      closingAfterwards(tools.log, async (closing) => {
        const bench = await openBench(environment, closing, options.behindProxy === true);
        await measureAll(environment, bench, options, tools);
        await deleteLogs(environment);
      }),
    );
  },
};

interface Bench {
  databaseUrl: string;
  topics: ReadonlyArray<{ from: string; to: string }>;
  ingestion: Ingestion;
  door: Door;
  badTokens: string[];
  callers: Caller[];
}

/** A worker that reads topics of its own, and the API beside it. */
async function openBench(environment: Environment, closing: Closing, behindProxy: boolean): Promise<Bench> {
  const { backlog, databases, kafka, logs } = environment;
  const suffix = randomUUID().slice(0, 8);
  const names = Object.fromEntries(TOPIC_ROLES.map((role) => [role, `crm.${role}.flood-${suffix}`])) as Record<
    TopicRole,
    string
  >;
  await createKafkaAdmin(kafka).createTopics(Object.values(names).map((topic) => ({ topic, partitions: PARTITIONS })));
  const databaseUrl = await databases.fresh(OURS);
  const ingestion = await startIngestion(environment, databaseUrl, names);
  closing.push(() => ingestion.stop());
  const ours = { ...environment, backlog: { ...backlog, topics: names } };
  const door = await openDoor(workerEnv(ours, databaseUrl, ingestion.consumerGroup), behindProxy, logs);
  closing.push(() => door.stop());
  return {
    databaseUrl,
    topics: TOPIC_ROLES.map((role) => ({ from: backlog.topics[role], to: names[role] })),
    ingestion,
    door,
    badTokens: await Promise.all(Array.from({ length: BAD_TOKENS }, (_, nth) => door.badToken(`mallory-${nth}`))),
    callers: [
      { name: 'from another address', from: '127.0.0.2', token: await door.token('ann') },
      { name: 'from the same address', from: '127.0.0.1', token: await door.token('bob') },
    ],
  };
}

async function measureAll(environment: Environment, bench: Bench, options: FloodOptions, { log, report }: Tools) {
  let firstLap = 0;
  const measure = async (way: Way) => {
    const { run, laps } = await measureOnce(environment, bench, way, options, firstLap);
    firstLap += laps;
    log(
      `${way}: p50 ${run.latency.p50.toFixed(1)}, p99 ${run.latency.p99.toFixed(1)}, max ${run.latency.max.toFixed(1)} ms`,
    );
    return run;
  };
  await measure('calm'); // the first events pay for what the worker does once
  const rounds: FloodRun[][] = [];
  const others: Array<number | null> = [];
  for (let round = 0; round < options.rounds; round += 1) {
    const share = watchOthers(environment.pids.all);
    const runs: FloodRun[] = [];
    for (const way of rotate(WAYS, round)) runs.push(await measure(way));
    rounds.push(runs);
    others.push(share());
  }
  const verdict = judge(rounds);
  await report({
    paragraphs: renderFlood(rounds, verdict, { rate: options.flood, connections: options.connections }),
    versions: environment.versions,
    others,
  });
  if (!verdict.passed) process.exitCode = 1;
}

async function measureOnce(
  { servers, signal }: Environment,
  { databaseUrl, topics, ingestion, door, badTokens, callers }: Bench,
  way: Way,
  { rate, flood: floodRate, connections, seconds, warmUp }: FloodOptions,
  firstLap: number,
): Promise<{ run: FloodRun; laps: number }> {
  const records = rate * (warmUp + seconds);
  const generator = await openGenerator({
    brokers: servers.KAFKA_BROKERS.split(','),
    topics,
    mostRecords: records,
    firstLap,
  });
  try {
    const stopCallers = startCallers(door.port, PATH, callers);
    await sleep(SETTLE_MS);
    const order = { port: door.port, path: PATH, rate: floodRate, connections, tokens: badTokens };
    const flooding = way === 'flooded' ? await startFlood(order) : null;
    await sleep(SETTLE_MS);
    const cpu = watchCpu(door.pid);
    const steady = await runSteady({
      generator,
      openSight: (watched) => openPositionsSight(databaseUrl, ingestion.consumerGroup, watched),
      assertAlive() {
        ingestion.assertRunning();
        door.assertRunning();
      },
      signal,
      rate,
      seconds: warmUp + seconds,
      warmUp,
      tickMs: TICK_MS,
      lookMs: TICK_MS,
    });
    const apiCpu = cpu();
    const count = (await flooding?.stop()) ?? null;
    const asked = await stopCallers();
    const span = { from: warmUp * 1_000, to: (warmUp + seconds) * 1_000 };
    const latency = summaryOf(latenciesOf(steady.schedule, steady.sightings, span));
    return { run: { way, latency, asked, flood: count, apiCpu }, laps: 1 + Math.ceil(records / generator.ids.length) };
  } finally {
    await generator.close();
  }
}

/** @returns a function that tells how many cores a process has used since now; null where the system does not tell */
function watchCpu(pid: number): () => number | null {
  const [before, began] = [cpuSecondsOf([pid]), performance.now()];
  return () => {
    const after = cpuSecondsOf([pid]);
    return before === null || after === null ? null : ((after - before) * 1_000) / (performance.now() - began);
  };
}
