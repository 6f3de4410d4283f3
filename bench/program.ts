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
  return program.action(() => program.outputHelp());
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

/** `--quick` is the suite of that name, as people who look for a guard would type it. */
export function withQuick(words: readonly string[]): string[] {
  return words.map((word, index) => (index === 0 && word === '--quick' ? 'quick' : word));
}
