// The suites that compare events per second. They differ in who takes part.
import type { Command } from 'commander';
import type { BacklogSettings } from '../backlog.ts';
import { positive } from '../command.ts';
import { type Comparison, type ContestantName, compare } from '../comparison.ts';
import { deleteLogs, withEnvironment } from '../environment.ts';
import { PEER_TITLE } from '../peer/install.ts';
import { renderComparison } from '../report.ts';
import { renderWork } from '../tables.ts';
import type { CommonOptions, Suite } from './suite.ts';

interface Options extends CommonOptions {
  events: number;
  rounds: number;
  partitions: number;
  order: boolean;
}

/** Of each, the best is taken: more connections than that only get in each other's way. */
const CONNECTIONS = { copy: [1, 2, 4], writer: [2, 4, 8], same: [1, 2, 4] };

const DESCRIPTIONS: Readonly<Record<ContestantName, string>> = {
  copy: 'COPY of the same rows into the staging tables',
  writer: 'our whole write (ledger, staging, events log, positions, chain) from memory',
  path: 'a worker process that reads the backlog from Kafka',
  duplicates: 'the same backlog once more: nothing is new',
  same: "ours limited to the rival's work: its topic into its one table, by key",
  peer: 'Kafka Connect with the Debezium JDBC sink, installed at first use',
};

function throughput(name: string, summary: string, contestants: readonly ContestantName[]): Suite<Options> {
  return {
    name,
    summary,
    configure: (command) => configure(command, contestants),
    async run({ events, rounds, partitions, order, databaseUrl, keep }, { log, report }) {
      await withEnvironment({ events, partitions, inOrder: order, databaseUrl, keep, log }, async (environment) => {
        const comparison = await compare(environment, { contestants, rounds, connections: CONNECTIONS }, log);
        await report({
          paragraphs: paragraphsOf(comparison, environment.settings),
          versions: [...environment.versions, ...(contestants.includes('peer') ? [PEER_TITLE] : [])],
          others: comparison.rounds.map(({ others }) => others),
        });
        await deleteLogs(environment);
      });
    },
  };
}

function configure(command: Command, contestants: readonly ContestantName[]): void {
  const lines = contestants.map((contestant) => `  ${contestant.padEnd(12)}${DESCRIPTIONS[contestant]}`);
  command
    .option('--events <n>', 'events that each contestant writes', positive, 400_000)
    .option('--rounds <n>', 'how often; the ratios are medians over the rounds', positive, 5)
    .option('--partitions <n>', 'partitions of each topic', positive, 6)
    .option(
      '--no-order',
      'events whose times lie anywhere in a week, as those of a backfill may, not one after the other',
    )
    .addHelpText('after', `\nContestants, each of which writes the same events in each round:\n${lines.join('\n')}`);
}

function paragraphsOf(
  { rounds, choices, work }: Comparison,
  { events, partitions, lanes, inOrder }: BacklogSettings,
): string[] {
  const run = `${events.toLocaleString('en-US')} events ${inOrder ? 'in the order of their times' : 'in no order'}, ${partitions} partitions a topic, ${lanes} lanes; rounds: ${rounds.length}`;
  return [...renderComparison(rounds), `${[run, ...choices].join('; ')}.`, ...(work === null ? [] : renderWork(work))];
}

export const limits = throughput('limits', 'What PostgreSQL can take: COPY, and our whole write from memory', [
  'copy',
  'writer',
]);

export const full = throughput('full', 'Ours as users run it, beside the limits, and duplicates', [
  'copy',
  'writer',
  'path',
  'duplicates',
]);

export const same = throughput('same', "Ours limited to the rival's work, beside the rival", ['same', 'peer']);

export const rival = throughput('rival', 'Everything in one run: the limits, ours, the same work, and the rival', [
  'copy',
  'writer',
  'path',
  'duplicates',
  'same',
  'peer',
]);
