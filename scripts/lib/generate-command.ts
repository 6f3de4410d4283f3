/** The command behind generate-crm-events. */
import { randomUUID } from 'node:crypto';
import { createKafka, type KafkaClient } from '../../adapters/kafka/client.ts';
import { type EpochMillis, EVENT_TYPES } from '../../domain/events.ts';
import { type Config, ConfigError, loadConfig } from '../../platform/config.ts';
import { createEventFile, EventFileError, readEventFile } from './event-file.ts';
import { countOf, createGenerateCommand, type GenerateOptions } from './generate-options.ts';
import { createReport, type Report } from './generate-report.ts';
import { ensureTopics, produceEvents } from './produce-events.ts';
import { requireKafka, serverTrouble } from './reachability.ts';
import type { PlannedRecord } from './send-plan.ts';
import { sendRecords } from './send-records.ts';

const DAY_MS = 86_400_000;

/** @returns the exit code of the process */
export async function generate(args: readonly string[]): Promise<number> {
  const command = createGenerateCommand();
  command.parse(args, { from: 'user' });
  const options = command.opts<GenerateOptions>();
  const count = countOf(command);
  const report = createReport({ quiet: options.quiet ?? false });
  try {
    const config = loadConfig(process.env, EVENT_TYPES);
    const kafka = createKafka({ ...config.kafka, log: () => {} });
    await requireKafka(kafka);
    if (options.resend === undefined) await sendNew(config, kafka, count, options, report);
    else await sendAgain(config, kafka, options.resend, options, report);
    return 0;
  } catch (error) {
    const message =
      error instanceof ConfigError || error instanceof EventFileError ? error.message : serverTrouble(error);
    if (message === null) throw error;
    report.failure(message);
    return 1;
  }
}

async function sendNew(
  { registry, topics }: Config,
  kafka: KafkaClient,
  count: number,
  options: GenerateOptions,
  report: Report,
): Promise<void> {
  const { organizations, days, invalid, duplicates, rate, save, seed = randomUUID() } = options;
  const file = save === undefined ? null : await createEventFile(save);
  try {
    const produced = await produceEvents({
      kafka,
      registry,
      topics,
      count,
      seed,
      organizations,
      days,
      invalid,
      duplicates,
      now: startOfDay(Date.now()),
      ...(rate === undefined ? {} : { rate }),
      onProgress: report.progress,
      onSent: async (chunk) => {
        const fresh = chunk.filter(({ kind }) => kind.is !== 'duplicate');
        report.ids(fresh.map(idOf).filter((id) => id !== null));
        await file?.append(fresh.map((record) => ({ ...record, eventId: idOf(record) })));
      },
    });
    report.produced(produced, seed);
  } finally {
    await file?.close();
  }
}

async function sendAgain(
  { topics }: Config,
  kafka: KafkaClient,
  path: string,
  { rate }: GenerateOptions,
  report: Report,
): Promise<void> {
  await ensureTopics(kafka, topics);
  let sent = 0;
  await sendRecords(readEventFile(path), {
    kafka,
    topics,
    ...(rate === undefined ? {} : { rate }),
    onSent: (chunk) => {
      sent += chunk.length;
      report.ids(chunk.map(({ eventId }) => eventId).filter((id) => id !== null));
    },
  });
  report.resent(sent, path);
}

/** A seed's events are the same for a whole day, since their times are counted back from its first moment. */
function startOfDay(now: EpochMillis): EpochMillis {
  return now - (now % DAY_MS);
}

function idOf({ kind }: PlannedRecord): string | null {
  return kind.is === 'invalid' ? null : kind.eventId;
}
