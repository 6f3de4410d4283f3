// A change beside what was before it: two builds of the product in turn, since the machine's own speed changes within
// the hour by more than most changes gain.
import { access } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderBuilds } from '../builds-report.ts';
import { positive } from '../command.ts';
import { createPath } from '../contestants/path.ts';
import { deleteLogs, OURS, withEnvironment } from '../environment.ts';
import { WORKER } from '../product.ts';
import { runRounds } from '../rounds.ts';
import type { CommonOptions, Suite } from './suite.ts';

interface Options extends CommonOptions {
  other: string;
  events: number;
  rounds: number;
  partitions: number;
}

const THIS = 'this';
const OTHER = 'other';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const builds: Suite<Options> = {
  name: 'builds',
  summary: 'This build beside that of another checkout, in turn: what a change gains',
  configure(command) {
    command
      .requiredOption('--other <folder>', 'the other checkout, built there with npm run build')
      .option('--events <n>', 'events that each build reads and writes', positive, 300_000)
      .option('--rounds <n>', 'how often; the ratios are medians over the rounds', positive, 9)
      .option('--partitions <n>', 'partitions of each topic', positive, 6);
  },
  async run({ other, events, rounds: count, partitions, databaseUrl, keep }, { log, report }) {
    const program = await workerOf(other);
    await withEnvironment({ events, partitions, databaseUrl, keep, log }, async (environment) => {
      const { databases, settings, pids, signal } = environment;
      const units = [createPath(environment, THIS), createPath(environment, OTHER, program)].map((contestant) => ({
        template: OURS,
        contestants: [contestant],
      }));
      const { rounds } = await runRounds({ rounds: count, units, databases, events, pids, log, signal });
      await report({
        paragraphs: [
          ...renderBuilds(rounds, THIS, OTHER),
          `${events.toLocaleString('en-US')} events, ${partitions} partitions a topic, ${settings.lanes} lanes; rounds: ${rounds.length}. Both write into a database that this build has migrated.`,
        ],
        versions: environment.versions,
        others: rounds.map(({ others }) => others),
      });
      await deleteLogs(environment);
    });
  },
};

/** @throws Error when there is no build in the folder */
async function workerOf(folder: string): Promise<string> {
  const program = path.resolve(folder, path.relative(ROOT, WORKER));
  try {
    await access(program);
    return program;
  } catch {
    throw new Error(`${program} is not there: run npm ci and npm run build in ${folder}, then measure again`);
  }
}
