import { Command, InvalidArgumentError, Option } from 'commander';

export interface ChaosOptions {
  kills: number;
  /** Events per second. */
  rate: number;
  workers: number;
  seed: string;
  /** Seconds; without it the run ends with the last kill. */
  duration?: number;
  restartServers: boolean;
  join: boolean;
  /** Name of the database, to say that servers of other machines are meant. */
  iMean?: string;
}

export function readOptions(): ChaosOptions {
  const seed = new Option('--seed <text>', 'the same seed sends the same events and kills after the same pauses');
  return new Command('npm run chaos --')
    .description(
      'Ingests a steady load whose every event is known, kills workers at random moments, and then holds the tables, the log and the books against what was sent. Exit code 1 unless nothing is lost and nothing doubled.',
    )
    .option('--kills <n>', 'how many workers to kill by SIGKILL', wholeNumber(0), 100)
    .option('--rate <n>', 'events per second, with 1% duplicates and 0.5% invalid ones', wholeNumber(1), 2_000)
    .option('--workers <n>', 'how many workers to run side by side', wholeNumber(1), 2)
    .addOption(seed.default(String(Date.now()), 'the time of day'))
    .option('--duration <seconds>', 'end after this time, whatever kills are left', wholeNumber(1))
    .option('--restart-servers', 'now and then restart or kill a server of the local stack too', false)
    .option('--join', 'take part in an ingestion that runs already, and leave it running', false)
    .option('--i-mean <database>', 'needed, with the name of the database, where a server is not of this machine')
    .addHelpText(
      'after',
      `
Everything is that of the environment or of a file .env here, as for npm run worker: Kafka, the schema registry,
PostgreSQL, Temporal and the consumer group. The database must be migrated; topics that are missing are made. It writes
real rows into the tables and made-up events into the topics, so it refuses NODE_ENV=production, and servers of other
machines unless --i-mean names the database. Ctrl-C ends the load and still shows the books.`,
    )
    .parse()
    .opts<ChaosOptions>();
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    if (/^\d+$/u.test(text) && Number(text) >= least) return Number(text);
    throw new InvalidArgumentError(`Allowed: whole numbers from ${least} on.`);
  };
}
