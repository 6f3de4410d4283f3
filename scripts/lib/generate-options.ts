import { Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_DAYS, DEFAULT_ORGANIZATIONS } from './produce-events.ts';

export interface GenerateOptions {
  seed?: string;
  organizations: number;
  days: number;
  invalid: number;
  duplicates: number;
  /** Events per second. */
  rate?: number;
  save?: string;
  resend?: string;
  quiet?: boolean;
}

const DEFAULT_COUNT = 10;

export function createGenerateCommand(): Command {
  return new Command('generate-crm-events')
    .description('Sends generated CRM events to Kafka and prints their ids, one a line.')
    .argument('[count]', `how many events (default: ${DEFAULT_COUNT})`, wholeNumber(0))
    .option('--seed <text>', 'the same seed gives the very same events all through a day (UTC); default: a new one')
    .addOption(number('--organizations <n>', 'over how many organizations they are spread', DEFAULT_ORGANIZATIONS, 1))
    .addOption(number('--days <n>', 'over how many days before today their times are spread', DEFAULT_DAYS, 1))
    .addOption(number('--invalid <n>', 'send so many invalid events besides, of each kind in turn', 0, 0))
    .addOption(number('--duplicates <n>', 'send so many of the events once more at the end', 0, 0))
    .option('--rate <n>', 'events per second; default: as fast as Kafka takes them', positiveNumber)
    .option('--save <file>', 'write the events, sound and invalid, to a file for --resend')
    .addOption(
      new Option('--resend <file>', 'send the events of such a file again, instead of new ones').conflicts([
        'seed',
        'organizations',
        'days',
        'invalid',
        'duplicates',
        'save',
      ]),
    )
    .option('--quiet', 'no progress and no summary')
    .addHelpText(
      'after',
      `
Kafka and the schema registry are those of the environment or of a file .env here: KAFKA_BROKERS, SCHEMA_REGISTRY_URL,
CRM_EVENTS_TOPIC, CRM_LEADS_TOPIC, CRM_CONTACTS_TOPIC, CRM_OPPORTUNITIES_TOPIC and those for logging in. Missing topics
are created. The ids go to stdout, all else to stderr.`,
    );
}

/** How many events to generate. Ends the process where a count is given that means nothing, beside --resend. */
export function countOf(command: Command): number {
  const given = command.processedArgs[0] as number | undefined;
  const { resend } = command.opts<GenerateOptions>();
  if (given !== undefined && resend !== undefined) {
    command.error('error: --resend sends what the file holds: leave the count out');
  }
  return given ?? DEFAULT_COUNT;
}

function number(flags: string, meaning: string, fallback: number, least: number): Option {
  return new Option(flags, meaning).default(fallback).argParser(wholeNumber(least));
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/u.test(text) && value >= least && value <= Number.MAX_SAFE_INTEGER) return value;
    throw new InvalidArgumentError(`Allowed: whole numbers from ${least} on.`);
  };
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Allowed: numbers above 0.');
}
