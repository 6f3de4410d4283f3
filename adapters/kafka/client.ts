import type { ConnectionOptions } from 'node:tls';
import kafkajs, { type Kafka, type LogEntry, type Logger, type SASLOptions } from 'kafkajs';
import { type Brokers, openBrokers } from './brokers.ts';
import { registerCodecs } from './codecs.ts';
import { ANSWER_TIMEOUT_MS } from './protocol/request.ts';

export type KafkaLog = (
  level: 'error' | 'warn' | 'info' | 'debug',
  message: string,
  fields: Record<string, string | number>,
) => void;

export interface KafkaOptions {
  /** "host:port" each; the brokers tell of the others. */
  brokers: readonly string[];
  clientId: string;
  /** false for plain TCP, true for TLS with the usual authorities; certificates and keys are PEM texts. */
  ssl: boolean | { ca?: string; cert?: string; key?: string };
  sasl: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string } | null;
  log: KafkaLog;
}

/** One cluster as this process sees it. Opens no connection by itself. */
export interface KafkaClient {
  /** For what kafkajs's public API does: groups, producing, administration. */
  kafka: Kafka;
  /** Connections of their own for one reader. */
  openBrokers(): Brokers;
  log: KafkaLog;
}

const CONNECTION_TIMEOUT_MS = 3_000;

/** Settles how to reach the brokers. @throws Error for an address that is not host:port */
export function createKafka(options: KafkaOptions): KafkaClient {
  registerCodecs();
  const ssl = tlsOptions(options.ssl);
  // A copy: kafkajs keeps its authenticator in it, which a frozen configuration would not take.
  const sasl: SASLOptions | null = options.sasl && saslOf(options.sasl);
  const kafka = new kafkajs.Kafka({
    brokers: [...options.brokers],
    clientId: options.clientId,
    ssl: ssl ?? false,
    ...(sasl === null ? {} : { sasl }),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry) => forwardLog(options.log, entry),
  });
  const settings = {
    ssl,
    sasl,
    clientId: options.clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: ANSWER_TIMEOUT_MS,
    authenticationTimeout: ANSWER_TIMEOUT_MS,
  };
  const logger = readerLogger(options.log);
  const seeds = options.brokers.map(parseAddress);
  return { kafka, openBrokers: () => openBrokers({ seeds, settings, logger }), log: options.log };
}

function tlsOptions(ssl: KafkaOptions['ssl']): ConnectionOptions | null {
  if (ssl === false) return null;
  return ssl === true ? {} : ssl;
}

function saslOf({ mechanism, username, password }: NonNullable<KafkaOptions['sasl']>): SASLOptions {
  // One by one, for the types of kafkajs.
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password };
    case 'scram-sha-256':
      return { mechanism, username, password };
    case 'scram-sha-512':
      return { mechanism, username, password };
  }
}

function parseAddress(address: string): { host: string; port: number } {
  const match = /^\[?(.+?)\]?:(\d+)$/.exec(address);
  if (match?.[1] === undefined) throw new Error(`Kafka broker "${address}": expected host:port`);
  return { host: match[1], port: Number(match[2]) };
}

/**
 * kafkajs logs each failed attempt as an error; whether one matters is for the caller to say, who gets the final one
 * thrown.
 */
function forwardLog(log: KafkaLog, { label, namespace, log: entry }: LogEntry): void {
  log(label === 'ERROR' || label === 'WARN' ? 'warn' : 'debug', entry.message, { ...safeFields(entry), namespace });
}

/** Sessions tell of their troubles themselves: what their connections log is for debugging alone. */
function readerLogger(log: KafkaLog): Logger {
  const line = (message: string, extra: object = {}) => log('debug', message, safeFields(extra));
  const logger: Logger = {
    error: line,
    warn: line,
    info: line,
    debug: () => {}, // two lines for each request
    namespace: () => logger,
    setLogLevel: () => {},
  };
  return logger;
}

const LOGGED_FIELDS = new Set([
  'broker',
  'groupId',
  'memberId',
  'topic',
  'partition',
  'retryCount',
  'retryTime',
  'error',
]);

/** Those fields of a kafkajs log entry that can't hold anything of a record. */
function safeFields(entry: object): Record<string, string | number> {
  const fields: Record<string, string | number> = { library: 'kafkajs' };
  for (const [name, value] of Object.entries(entry)) {
    if (LOGGED_FIELDS.has(name) && (typeof value === 'string' || typeof value === 'number')) fields[name] = value;
  }
  return fields;
}
