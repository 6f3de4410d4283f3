// `npm run bench -- latency`: from when an event was due to be sent until its row is visible, at steady rates.
import { type Command, InvalidArgumentError } from 'commander';
import { positive } from '../command.ts';
import { deleteLogs, type Environment, withEnvironment } from '../environment.ts';
import { openGenerator } from '../latency/generator.ts';
import { latenciesOf, summaryOf } from '../latency/latencies.ts';
import { createOurs } from '../latency/ours.ts';
import type { Reader } from '../latency/reading.ts';
import { type LatencyRun, renderLatencies } from '../latency/report.ts';
import { openRival } from '../latency/rival.ts';
import { runSteady } from '../latency/steady.ts';
import { watchOthers } from '../machine.ts';
import { PEER_TITLE } from '../peer/install.ts';
import { rotate } from '../rounds.ts';
import { closingAfterwards } from '../servers.ts';
import { renderSettings } from '../tables.ts';
import type { CommonOptions, Suite, Tools } from './suite.ts';

interface LatencyOptions extends CommonOptions {
  rates: number[];
  seconds: number;
  warmUp: number;
  rounds: number;
  events: number;
  partitions: number;
  peer?: boolean;
}

/** A batch of a producer is what is due within so many milliseconds; who watches asks as often. */
const TICK_MS = 2;

export const latency: Suite<LatencyOptions> = {
  name: 'latency',
  summary: 'from produce to row visible at steady rates, without coordinated omission',
  configure(command: Command) {
    command
      .option('--rates <list>', 'events per second', rates, [1_000, 5_000, 10_000])
      .option('--seconds <n>', 'measured at each rate', positive, 60)
      .option('--warm-up <n>', 'seconds at the same rate before, not measured', positive, 10)
      .option('--rounds <n>', 'how often each rate is measured', positive, 1)
      .option('--events <n>', 'different events, sent again and again under other ids', positive, 100_000)
      .option('--partitions <n>', 'partitions of each topic', positive, 6)
      .option('--peer', 'also measure Kafka Connect with the Debezium JDBC sink, in turn');
  },
  async run(options, tools) {
    const { events, partitions, databaseUrl, keep } = options;
    await withEnvironment({ events, partitions, databaseUrl, keep, log: tools.log }, (environment) =>
      closingAfterwards(tools.log, async (closing) => {
        const readers = [createOurs(environment)];
        if (options.peer) readers.push(await openRival(environment, tools.log, closing));
        await measure(environment, readers, options, tools);
        await deleteLogs(environment);
      }),
    );
  },
};

async function measure(
  environment: Environment,
  readers: readonly Reader[],
  options: LatencyOptions,
  { log, report }: Tools,
): Promise<void> {
  const runs: LatencyRun[] = [];
  const others: Array<number | null> = [];
  for (let round = 0; round < options.rounds; round += 1) {
    for (const rate of options.rates) {
      for (const reader of rotate(readers, round)) {
        const share = watchOthers(environment.pids.all);
        const run = await measureOnce(environment, reader, rate, options);
        others.push(share());
        runs.push(run);
        const { p50, p99, max } = run.latency;
        log(`${rate} events/s, ${reader.name}: p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(1)} ms`);
      }
    }
  }
  const versions = [...environment.versions, ...(options.peer ? [PEER_TITLE] : [])];
  const settings = await renderSettings(environment.servers.DATABASE_URL);
  await report({ paragraphs: [...renderLatencies(runs), settings], versions, others });
}

async function measureOnce(
  { servers, signal }: Environment,
  reader: Reader,
  rate: number,
  { seconds, warmUp }: LatencyOptions,
): Promise<LatencyRun> {
  const reading = await reader.start();
  try {
    const generator = await openGenerator({ brokers: servers.KAFKA_BROKERS.split(','), topics: reading.topics });
    try {
      const { openSight, assertAlive } = reading;
      const pace = { rate, seconds: warmUp + seconds, warmUp, tickMs: TICK_MS, lookMs: TICK_MS };
      const steady = await runSteady({ generator, openSight, assertAlive, signal, ...pace });
      const span = { from: warmUp * 1_000, to: (warmUp + seconds) * 1_000 };
      const latency = summaryOf(latenciesOf(steady.schedule, steady.sightings, span));
      return { reader: reader.name, rate, latency, punctuality: steady.punctuality, looks: steady.looks };
    } finally {
      await generator.close();
    }
  } finally {
    await reading.close();
  }
}

/** @throws InvalidArgumentError for what is no list of whole numbers from 1 on */
function rates(text: string): number[] {
  const list = text.split(',').map(positive);
  if (list.length === 0) throw new InvalidArgumentError('rates are written like 1000,5000.');
  return list;
}
