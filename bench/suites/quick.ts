// The guard: a short comparison, beside the committed baseline.
import { readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  baselineFile,
  baselineOf,
  changesSince,
  type GuardedRatio,
  guardedRatios,
  renderChanges,
} from '../baseline.ts';
import { positive } from '../command.ts';
import { type Comparison, compare } from '../comparison.ts';
import { deleteLogs, withEnvironment } from '../environment.ts';
import { renderComparison } from '../report.ts';
import type { CommonOptions, Suite, Tools } from './suite.ts';

interface Options extends CommonOptions {
  events: number;
  rounds: number;
  update?: boolean;
}

const BASELINE = fileURLToPath(new URL('../baseline.json', import.meta.url));
const PARTITIONS = 6;

/** Fixed, since what serves best may change with the machine's mood, and a guard compares like with like. */
const CONNECTIONS = { copy: [2], writer: [4], same: [2] };

export const quick: Suite<Options> = {
  name: 'quick',
  summary: 'The guard: ratios beside the committed baseline, in under 3 minutes; exit code 1 when one is worse',
  configure(command) {
    command
      .option('--events <n>', 'events that each contestant writes', positive, 100_000)
      .option('--rounds <n>', 'how often; the ratios are medians over the rounds', positive, 5)
      .option('--update', 'take what is measured now as the baseline');
  },
  async run({ events, rounds, databaseUrl, keep, update = false }, tools) {
    const { log } = tools;
    await withEnvironment({ events, partitions: PARTITIONS, databaseUrl, keep, log }, async (environment) => {
      const contestants = ['copy', 'writer', 'path', 'duplicates', 'same'] as const;
      const comparison = await compare(environment, { contestants, rounds, connections: CONNECTIONS }, log);
      await deleteLogs(environment);
      if (update) await writeBaseline(guardedRatios(comparison.rounds), environment.versions, log);
      else await judge(comparison, environment.versions, tools);
    });
  },
};

async function writeBaseline(
  ratios: readonly GuardedRatio[],
  versions: readonly string[],
  log: (line: string) => void,
): Promise<void> {
  const baseline = baselineOf(ratios, {
    at: new Date().toISOString().slice(0, 10),
    machine: `${os.availableParallelism()} cores; ${versions.join(', ')}`,
  });
  await writeFile(BASELINE, `${JSON.stringify(baseline, null, 2)}\n`);
  log(`wrote bench/baseline.json:\n${renderChanges(changesSince(baseline, ratios))}`);
}

async function judge({ rounds }: Comparison, versions: readonly string[], { log, report }: Tools): Promise<void> {
  const changes = changesSince(baselineFile.parse(JSON.parse(await readFile(BASELINE, 'utf8'))), guardedRatios(rounds));
  await report({
    paragraphs: [renderChanges(changes), ...renderComparison(rounds)],
    versions,
    others: rounds.map(({ others }) => others),
  });
  const worse = changes.filter(({ verdict }) => verdict === 'worse');
  if (worse.length === 0) {
    log('nothing is worse than the baseline');
    return;
  }
  process.exitCode = 1;
  log(`worse than the baseline: ${worse.map(({ name }) => name).join('; ')}`);
  log(
    'run it again with nothing else on the machine, then look at what changed since bench/baseline.json was recorded',
  );
}
