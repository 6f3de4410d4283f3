// What an event costs: CPU of everybody who has a hand in it, memory, WAL, disk, workflow history, Redis.
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { positive } from '../command.ts';
import { startChild } from '../contestants/child.ts';
import { createPath, workerEnv } from '../contestants/path.ts';
import { renderCost } from '../cost-report.ts';
import { deleteLogs, type Environment, OURS, withEnvironment } from '../environment.ts';
import { WORKER } from '../product.ts';
import { callsBetween, openRedisCommands, type RedisCommands } from '../redis-commands.ts';
import { type Round, runRounds } from '../rounds.ts';
import { readWritten, renderWork, type Written } from '../tables.ts';
import type { CommonOptions, Suite } from './suite.ts';

interface Options extends CommonOptions {
  events: number;
  rounds: number;
  partitions: number;
}

export const cost: Suite<Options> = {
  name: 'cost',
  summary: 'What a million events cost: CPU of each process, memory, WAL, disk, workflow history, Redis',
  configure(command) {
    command
      .option('--events <n>', 'events of each round', positive, 1_000_000)
      .option('--rounds <n>', 'how often', positive, 5)
      .option('--partitions <n>', 'partitions of each topic', positive, 6);
  },
  async run({ events, rounds: count, partitions, databaseUrl, keep }, { log, report }) {
    await withEnvironment({ events, partitions, databaseUrl, keep, log }, async (environment) => {
      const { rounds, written, redis } = await measure(environment, count, log);
      await report({
        paragraphs: [
          ...renderCost({ rounds, written, redis, events }),
          `${events.toLocaleString('en-US')} events, ${partitions} partitions a topic, ${environment.settings.lanes} lanes; rounds: ${rounds.length}.`,
          ...renderWork(written),
        ],
        versions: environment.versions,
        others: rounds.map(({ others }) => others),
      });
      await deleteLogs(environment);
    });
  },
};

interface Costs {
  rounds: Round[];
  written: Written;
  /** Calls by command: of a run, and of a worker without events in the same time. */
  redis: { busy: Map<string, number>; idle: Map<string, number> };
}

async function measure(environment: Environment, count: number, log: (line: string) => void): Promise<Costs> {
  const { databases, servers, settings, pids, signal } = environment;
  const commands = openRedisCommands(servers.REDIS_URL);
  const ours = createPath(environment);
  let written: Written | null = null;
  let busy = { calls: new Map<string, number>(), seconds: 0 };
  try {
    const { rounds } = await runRounds({
      rounds: count,
      units: [
        {
          template: OURS,
          contestants: [
            {
              name: ours.name,
              async run(databaseUrl, signal) {
                const began = performance.now();
                const { calls, result } = await counting(commands, () => ours.run(databaseUrl, signal));
                busy = { calls, seconds: (performance.now() - began) / 1000 };
                return result;
              },
            },
          ],
          look: async (databaseUrl) => {
            written = await readWritten(databaseUrl);
          },
        },
      ],
      databases,
      events: settings.events,
      pids,
      log,
      signal,
    });
    log(`the same worker without events, for ${Math.round(busy.seconds)} s …`);
    const idle = await counting(commands, () => runIdle(environment, busy.seconds));
    if (written === null) throw new Error('no round was run');
    return { rounds, written, redis: { busy: busy.calls, idle: idle.calls } };
  } finally {
    commands.close();
  }
}

async function counting<T>(
  commands: RedisCommands,
  work: () => Promise<T>,
): Promise<{ calls: Map<string, number>; result: T }> {
  const before = await commands.counts();
  const result = await work();
  return { calls: callsBetween(before, await commands.counts()), result };
}

async function runIdle(environment: Environment, seconds: number): Promise<void> {
  const env = workerEnv(environment, await environment.databases.fresh(OURS), 'bench-idle');
  const worker = await startChild(process.execPath, [WORKER], env, path.join(environment.logs, 'idle.log'));
  try {
    await sleep(seconds * 1000, undefined, { signal: environment.signal });
    worker.assertRunning();
  } finally {
    await worker.stop();
  }
}
