import { Command } from 'commander';
import { withLock } from '../stack/cache.ts';
import { interruption } from './interruption.ts';
import { record } from './record.ts';
import { type CommonOptions, commonOptions, type Suite } from './suites/suite.ts';

export type RunSuite = (suite: Suite, options: CommonOptions) => Promise<void>;

/** The command line of the benchmarks: one command for each suite, which `run` is given with what was typed. */
export function createProgram(suites: readonly Suite[], run: RunSuite): Command {
  const program = new Command('bench')
    .usage('<suite> [options]')
    .description(
      'Measures ingestion. What is compared is compared within one run; bench/RESULTS.md keeps what was found.',
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      `
Each suite has a --help of its own. With npm, options go behind "--":  npm run bench -- quick
--quick alone is the same as the suite quick.`,
    );
  for (const suite of suites) program.addCommand(commandOf(suite, run));
  return program;
}

function commandOf(suite: Suite, run: RunSuite): Command {
  const command = new Command(suite.name).description(suite.summary);
  suite.configure(command);
  return commonOptions(command).action((options: CommonOptions) => run(suite, options));
}

/** Runs a suite while no other is running on this machine: they would measure each other. */
export const runSuite: RunSuite = (suite, options) =>
  withLock('bench', console.log, () =>
    suite.run(options, {
      log: console.log,
      signal: interruption(),
      report: (block) => record(suite.name, options, block),
    }),
  );

/** What was typed, as the program knows it: nothing is a question for help, and `--quick` the suite of that name. */
export function understood(words: readonly string[]): string[] {
  const [first, ...others] = words;
  return [first === undefined ? '--help' : first === '--quick' ? 'quick' : first, ...others];
}
