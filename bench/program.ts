import { Command } from 'commander';
import { withLock } from '../stack/cache.ts';
import { interruption } from './interruption.ts';
import { record } from './record.ts';
import { type CommonOptions, commonOptions, type Suite } from './suites/suite.ts';

/** The command line of the benchmarks: one command for each suite. */
export function createProgram(suites: readonly Suite[]): Command {
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
  for (const suite of suites) program.addCommand(commandOf(suite));
  return program;
}

function commandOf(suite: Suite): Command {
  const { name, summary } = suite;
  const command = new Command(name).description(summary);
  suite.configure(command);
  return commonOptions(command).action((options: CommonOptions) =>
    withLock('bench', console.log, () =>
      suite.run(options, {
        log: console.log,
        signal: interruption(),
        report: (block) => record(name, options, block),
      }),
    ),
  );
}

/** What was typed, as the program knows it: nothing is a question for help, and `--quick` the suite of that name. */
export function understood(words: readonly string[]): string[] {
  const [first, ...others] = words;
  return [first === undefined ? '--help' : first === '--quick' ? 'quick' : first, ...others];
}
