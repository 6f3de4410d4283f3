// `node bench/replay.ts`: replays of the whole backlog beside its first ingestion, where every event is known and where
// none is, and what a slow replay does to the latency of live events.
import { appendFile } from 'node:fs/promises';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { withLock } from '../stack/cache.ts';
import { positive, runCommand } from './command.ts';
import { deleteLogs, type Environment, withEnvironment } from './environment.ts';
import { watchOthers } from './machine.ts';
import { ratioCells } from './ratios.ts';
import { type Latency, LIVE_RATE, measureLatencies, REPLAY_RATE } from './replay-latency.ts';
import { measureRates, type Rates } from './replay-rates.ts';
import { table } from './report.ts';
import { type Spread, spreadOf } from './statistics.ts';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));

/** What the issue asks for. */
const LIMITS = { known: 1.5, unknown: 0.85, latency: 2 };

interface Options {
  events: number;
  rounds: number;
  partitions: number;
  record?: boolean;
  keep?: boolean;
}

const program = new Command('replay')
  .description('Replays the whole backlog in mode missing, and live events beside a slow replay')
  .option('--events <n>', 'events of the backlog', positive, 500_000)
  .option('--rounds <n>', 'how often; the ratios are medians over the rounds', positive, 5)
  .option('--partitions <n>', 'partitions of each topic', positive, 6)
  .option('--record', 'append a block to bench/RESULTS.md')
  .option('--keep', 'leave the servers running, for the next run to start sooner')
  .action((options: Options) => withLock('bench', console.log, () => bench(options)));

async function bench({ events, rounds, partitions, record, keep }: Options): Promise<void> {
  await withEnvironment({ events, partitions, keep, log: console.log }, async (environment) => {
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

interface Figures {
  rates: readonly Rates[];
  latencies: readonly Latency[];
  /** Share of the machine, null where unknown. */
  others: number | null;
}

function renderBlock({ rates, latencies, others }: Figures, { settings }: Environment): string {
  const ratio = (name: string, spread: Spread, limit: string) => [name, ...ratioCells(spread), limit];
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

await runCommand(program);
