// What a suite of `npm run bench -- <suite>` is, and what it is given.
import type { Command } from 'commander';

/** What every suite can be told; `commonOptions` declares them. */
export interface CommonOptions {
  /** A PostgreSQL server to measure on instead of one of its own. */
  databaseUrl?: string;
  /** Goes into the heading in RESULTS.md. */
  note?: string;
  /** Leave the servers running at the end. */
  keep?: boolean;
  /** false with --no-record. */
  record: boolean;
}

/** What a run found, as RESULTS.md keeps it. The command, the date and the machine are added. */
export interface Block {
  /** Paragraphs and tables in Markdown, ratios first. */
  paragraphs: readonly string[];
  /** Products with their versions, such as "Kafka 4.3.1". */
  versions: readonly string[];
  /** Share of the machine that others used, 0 to 1, in each part of the run (see watchOthers); null where unknown. */
  others: ReadonlyArray<number | null>;
}

export interface Tools {
  /** Progress, for people. */
  log(line: string): void;
  /** Aborts when somebody interrupts the run. */
  signal: AbortSignal;
  /** Prints a block, and appends it to RESULTS.md unless --no-record was given. */
  report(block: Block): Promise<void>;
}

export interface Suite<Options extends CommonOptions = CommonOptions> {
  /** As it is typed. */
  name: string;
  /** One line for --help. */
  summary: string;
  /** Declares the options of its own; the common ones are there already. */
  configure(command: Command): void;
  /** @throws Error when something could not be measured; the signal's reason */
  run(options: Options, tools: Tools): Promise<void>;
}

/** Declares what every suite can be told. */
export function commonOptions(command: Command): Command {
  return command
    .option('--database-url <url>', 'measure on this PostgreSQL server; its user must be a superuser')
    .option('--note <text>', 'goes into the heading in bench/RESULTS.md')
    .option('--keep', 'leave the servers running, for the next run to start sooner')
    .option('--no-record', 'print the block without appending it to bench/RESULTS.md');
}
