// `npm run bench -- soak`: many minutes at a share of the maximum; memory must stay flat and latency as it was.
import type { Command } from 'commander';
import { positive } from '../command.ts';
import { requireDisk } from '../disk.ts';
import { deleteLogs, type Environment, OURS, withEnvironment } from '../environment.ts';
import { type Ingestion, startIngestion } from '../latency/ingestion.ts';
import { watchOthers } from '../machine.ts';
import { FILLED_BYTES, fillTables } from '../scale/fill.ts';
import { keepShort } from '../soak/kafka-disk.ts';
import { assertStored, measureMaximum, rateWhileSent } from '../soak/maximum.ts';
import { judge, renderSoak, type Soak } from '../soak/report.ts';
import { watchRss } from '../soak/rss.ts';
import { type Stream, sendStream } from '../soak/stream.ts';
import { memoryOf, windowsOf } from '../soak/windows.ts';
import { renderSettings } from '../tables.ts';
import type { CommonOptions, Suite, Tools } from './suite.ts';

interface SoakOptions extends CommonOptions {
  minutes: number;
  percent: number;
  events: number;
  filled: number;
}

const PARTITIONS = 6;
const MILLION = 1_000_000;
const WARM_UP_SHARE = 0.15;
/** So long records are sent to see how many are read meanwhile, from the beginning of a checkpoint on. */
const BESIDE_SECONDS = 60;
/** Kafka keeps some minutes of the stream, PostgreSQL some of its WAL. */
const OTHER_DISK_BYTES = 24e9;

export const soak: Suite<SoakOptions> = {
  name: 'soak',
  summary: 'many minutes at 70 % of the maximum: memory flat, no drift of latency; exit code 1 otherwise',
  configure(command: Command) {
    command
      .option('--minutes <n>', 'how long', positive, 20)
      .option('--percent <n>', 'of the maximum, which is measured first', positive, 70)
      .option('--events <n>', 'events that are read to measure the maximum', positive, 1_000_000)
      .option('--filled <n>', 'millions of events that the tables hold before', positive, 10);
  },
  async run(options, tools) {
    const { events, databaseUrl, keep } = options;
    const settings = { events, partitions: PARTITIONS, databaseUrl, keep, log: tools.log };
    await withEnvironment(settings, (environment) => run(environment, options, tools));
  },
};

async function run(environment: Environment, options: SoakOptions, { log, report }: Tools): Promise<void> {
  const { backlog, databases, pids, versions } = environment;
  const databaseUrl = await databases.fresh(OURS);
  await fill(environment, databaseUrl, options.filled * MILLION, log);
  const share = watchOthers(pids.all);
  const ingestion = await startIngestion(environment, databaseUrl, backlog.topics);
  let found: Soak;
  try {
    found = await measure(environment, ingestion, databaseUrl, options, log);
  } finally {
    await ingestion.stop();
  }
  const verdict = judge(found);
  const settings = await renderSettings(databaseUrl);
  await report({ paragraphs: [...renderSoak(found, verdict), settings], versions, others: [share()] });
  await deleteLogs(environment);
  if (!verdict.passed) process.exitCode = 1;
}

/** What is read into empty tables is more than can be kept up once they are large. */
async function fill(
  { databases, settings: { from, now }, signal }: Environment,
  databaseUrl: string,
  events: number,
  log: (line: string) => void,
): Promise<void> {
  await requireDisk(databaseUrl, events * FILLED_BYTES.all + OTHER_DISK_BYTES, log);
  log(`filling the tables with ${events.toLocaleString('en-US')} events …`);
  await fillTables(databaseUrl, { events, tables: 'all', from, to: now }, signal);
  await databases.checkpoint();
}

async function measure(
  environment: Environment,
  ingestion: Ingestion,
  databaseUrl: string,
  { filled, minutes, percent }: SoakOptions,
  log: (line: string) => void,
): Promise<Soak> {
  const { backlog, databases, kafka } = environment;
  const { consumerGroup, pid } = ingestion;
  const { rate: alone, bytesPerEvent } = await measureMaximum(environment, ingestion, databaseUrl);
  log(`read ${Math.round(alone)} events/s from full topics; now as many are sent meanwhile`);
  const stream = (settings: Stream) => sendStream(environment, ingestion, databaseUrl, settings);
  let written: Promise<void> | undefined;
  const first = await stream({
    rate: Math.round(alone),
    seconds: BESIDE_SECONDS,
    firstLap: 0,
    ready: async () => {
      written = databases.checkpoint(); // not awaited: some will begin in the steady part as well
      written.catch(() => {}); // told when it is awaited
    },
  });
  await written;
  const most = rateWhileSent(first.steady, BESIDE_SECONDS);
  const rate = Math.max(1, Math.round((most * percent) / 100));
  const records = rate * minutes * 60;
  log(`read ${Math.round(most)} events/s at most, now ${rate} for ${minutes} minutes`);
  await requireDisk(databaseUrl, records * bytesPerEvent + OTHER_DISK_BYTES, log);

  const samples = watchRss(pid);
  try {
    const { steady } = await stream({
      rate,
      seconds: minutes * 60,
      firstLap: first.nextLap,
      ready: () => keepShort(kafka, Object.values(backlog.topics)),
    });
    const rss = samples();
    const before = backlog.events + first.records;
    await assertStored(databaseUrl, consumerGroup, before + records);
    const warmUp = minutes * WARM_UP_SHARE;
    return {
      filled: filled * MILLION + before,
      most,
      rate,
      minutes,
      warmUp,
      windows: windowsOf(steady, rss, minutes),
      memory: memoryOf(steady, rss, warmUp, minutes),
    };
  } finally {
    samples();
  }
}
