import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Environment, loadConfig } from '../../../platform/config.ts';
import { problemsOf } from './config-problems.ts';

const EVENT_TYPES = ['lead.created', 'lead.updated'];
const folder = mkdtempSync(join(tmpdir(), 'config-'));
const pem = join(folder, 'ca.pem');
writeFileSync(pem, '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n');
afterAll(() => rmSync(folder, { recursive: true }));

function load(env: Environment) {
  return loadConfig(env, EVENT_TYPES);
}

describe('defaults', () => {
  it('are those the documentation names', () => {
    const config = load({});
    expect(config.nodeEnv).toBe('development');
    expect(config.kafka).toEqual({
      clientId: 'analytics-crm-ingestion',
      brokers: ['localhost:9092'],
      sasl: null,
      ssl: false,
      consumerGroup: 'analytics-crm-consumer',
      sessionTimeoutMs: 30_000,
      heartbeatIntervalMs: 3_000,
      maxWaitMs: 5_000,
    });
    expect(config.topics).toEqual({
      events: 'crm.events',
      leads: 'crm.leads',
      contacts: 'crm.contacts',
      opportunities: 'crm.opportunities',
    });
    expect(config.ingestion.eventTypes).toEqual(EVENT_TYPES);
  });

  it('hold also for a variable that is set to nothing', () => {
    expect(load({ KAFKA_BROKERS: '', KAFKA_PASSWORD: ' ' }).kafka).toMatchObject({
      brokers: ['localhost:9092'],
      sasl: null,
    });
  });

  it('are frozen all the way down', () => {
    const config = load({});
    expect(() => config.kafka.brokers.push('other:9092')).toThrow(TypeError);
  });
});

describe('values', () => {
  it('are taken over', () => {
    const config = load({
      NODE_ENV: 'production',
      AUTH_MODE: 'jwt',
      KAFKA_BROKERS: 'a:9092, [::1]:9093',
      KAFKA_SSL: 'true',
      KAFKA_SSL_CA_FILE: pem,
      KAFKA_SASL_MECHANISM: 'scram-sha-256',
      KAFKA_USERNAME: 'user',
      KAFKA_PASSWORD: 'p4c7',
      DATABASE_URL: 'postgresql://u:p4c8@db:5432/crm?sslmode=require',
      DATABASE_SSL_CA_FILE: pem,
      REDIS_URL: 'rediss://u:p4c9@redis:6380/1',
      TEMPORAL_TLS: 'true',
      TEMPORAL_API_KEY: 'k4c7',
      INGESTION_EVENT_TYPES: 'lead.updated',
    });
    expect(config.kafka).toMatchObject({
      brokers: ['a:9092', '[::1]:9093'],
      sasl: { mechanism: 'scram-sha-256', username: 'user', password: 'p4c7' },
      ssl: { ca: expect.stringContaining('BEGIN CERTIFICATE') },
    });
    expect(config.postgres.ca).toContain('BEGIN CERTIFICATE');
    expect(config.temporal).toMatchObject({ apiKey: 'k4c7', tls: { ca: null, cert: null, key: null } });
    expect(config.ingestion.eventTypes).toEqual(['lead.updated']);
  });

  it('speak TLS with the public authorities where no file is named', () => {
    expect(load({ KAFKA_SSL: 'true' }).kafka.ssl).toBe(true);
  });

  it('log in with plain where only a user and a password are given', () => {
    expect(load({ KAFKA_USERNAME: 'u', KAFKA_PASSWORD: 'p' }).kafka.sasl?.mechanism).toBe('plain');
  });
});

describe('problems', () => {
  it.each([
    ['NODE_ENV', 'test', 'development | staging | production'],
    ['KAFKA_BROKERS', 'localhost', 'host:port'],
    ['KAFKA_BROKERS', 'a:9092,', 'host:port'],
    ['KAFKA_BROKERS', 'a:99999', 'host:port'],
    ['KAFKA_SSL', 'yes', 'true | false'],
    ['KAFKA_SASL_MECHANISM', 'gssapi', 'scram-sha-512'],
    ['KAFKA_SESSION_TIMEOUT', '30s', 'a whole number'],
    ['KAFKA_SESSION_TIMEOUT', '1e9', 'a whole number'],
    ['KAFKA_SESSION_TIMEOUT', '-1', 'a whole number'],
    ['KAFKA_SSL_CA_FILE', '/does/not/exist.pem', 'PEM file'],
    ['DATABASE_SSL_CA_FILE', '/does/not/exist.pem', 'PEM file'],
    ['SCHEMA_REGISTRY_URL', 'localhost:8081', 'http:// or https://'],
    ['CRM_LEADS_TOPIC', 'crm leads', 'a topic name'],
    ['CRM_LEADS_TOPIC', '..', 'a topic name'],
    ['DATABASE_URL', 'mysql://db/crm', 'postgres:// or postgresql://'],
    ['REDIS_URL', 'http://redis', 'redis:// or rediss://'],
    ['TEMPORAL_ADDRESS', 'temporal', 'host:port'],
    ['INGESTION_LANES', '0', 'from 1'],
    ['INGESTION_LANES', '1.5', 'a whole number'],
    ['INGESTION_START_POSITION', 'begin', 'earliest | latest'],
    ['INGESTION_EVENT_TYPES', 'lead.made', 'lead.created, lead.updated'],
    ['PARTITION_INTERVAL', 'week', 'day | month'],
    ['API_PORT', 'tcp://10.0.0.1:3000', 'from 0 to 65535'],
    ['LOG_LEVEL', 'trace', 'error | warn | info | debug'],
  ])('%s=%s names the variable, what was found and what is allowed', (name, value, allowed) => {
    const problem = problemsOf({ [name]: value }).find((text) => text.startsWith(name));
    expect(problem).toContain(`"${value}"`);
    expect(problem).toContain(allowed);
  });

  it('are all in one message', () => {
    expect(() => load({ NODE_ENV: 'prod', API_PORT: 'x', LOG_LEVEL: 'loud' })).toThrow(
      /3 problems[\s\S]*NODE_ENV[\s\S]*LOG_LEVEL[\s\S]*API_PORT/,
    );
  });

  it.each<[string, Environment, string]>([
    ['a mechanism without a user', { KAFKA_SASL_MECHANISM: 'plain' }, 'KAFKA_USERNAME and KAFKA_PASSWORD'],
    ['a user without a password', { KAFKA_USERNAME: 'u' }, 'KAFKA_PASSWORD'],
    ['a password without a user', { KAFKA_PASSWORD: 'p' }, 'KAFKA_USERNAME'],
    ['a CA that would not be used', { KAFKA_SSL_CA_FILE: pem }, 'KAFKA_SSL'],
    ['a certificate without its key', { KAFKA_SSL: 'true', KAFKA_SSL_CERT_FILE: pem }, 'KAFKA_SSL_KEY_FILE'],
    ['a registry user without a password', { SCHEMA_REGISTRY_USERNAME: 'u' }, 'SCHEMA_REGISTRY_PASSWORD'],
    ['an API key in clear text', { TEMPORAL_API_KEY: 'k' }, 'TEMPORAL_TLS'],
    ['a key of S3 without its secret', { S3_ACCESS_KEY_ID: 'k' }, 'S3_SECRET_ACCESS_KEY'],
    ['too rare heartbeats', { KAFKA_HEARTBEAT_INTERVAL: '10001' }, 'at most a third'],
    ['a key that can not sign', { AUDIT_SIGNING_KEY_FILE: pem }, 'openssl genpkey -algorithm ed25519'],
    ['an erasure key that can be guessed', { ERASURE_KEY: 'secret' }, 'erasure key is too short'],
    ['an erasure key twice', { ERASURE_KEY: 'x'.repeat(32), ERASURE_KEY_FILE: pem }, 'both set'],
    ['an erasure key that is not there', { ERASURE_KEY_FILE: '/nowhere/key' }, 'ERASURE_KEY_FILE'],
    ['two topics with one name', { CRM_LEADS_TOPIC: 'crm.events' }, 'CRM_EVENTS_TOPIC'],
    [
      'a CA for a connection without TLS',
      { DATABASE_SSL_CA_FILE: pem, DATABASE_URL: 'postgres://db/crm?sslmode=disable' },
      'sslmode=disable',
    ],
  ])('%s is one', (_, env, words) => {
    const problems = problemsOf(env);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(words);
  });

  it.each<Environment>([
    { DATABASE_URL: 'postgre://user:hunter2@db/crm' },
    { DATABASE_URL: 'postgres:/user:hunter2@db/crm' },
    { DATABASE_URL: 'user:hunter2@db/crm' },
    { DATABASE_URL: 'postgre://user:p@ss/hunter2#@db/crm' },
    { DATABASE_URL: 'host=db password=hunter2' },
    { REDIS_URL: 'http://:hunter2@redis' },
    { KAFKA_BROKERS: 'user:hunter2@broker' },
    { KAFKA_PASSWORD: 'hunter2' },
    { TEMPORAL_API_KEY: 'hunter2' },
  ])('never show a secret: %o', (env) => {
    const message = problemsOf(env).join('\n');
    expect(message).not.toBe('');
    expect(message).not.toContain('hunter2');
  });
});

describe('variables that look misspelt', () => {
  it('are pointed out without stopping the start', () => {
    expect(load({ KAFKA_BROKER: 'a:9092' }).warnings).toEqual([
      'KAFKA_BROKER is unknown and ignored; did you mean KAFKA_BROKERS?',
    ]);
  });

  it('are told together with the problems they may have caused', () => {
    expect(problemsOf({ KAFKA_USERNAME: 'u', KAFKA_PASWORD: 'p' }).join()).toContain('did you mean KAFKA_PASSWORD?');
  });

  it('are not those of other programs', () => {
    expect(load({ PATH: '/bin', REDIS_HOST: 'x', API_KEY: 'x', TEMPORAL_CLI_ADDRESS: 'x' }).warnings).toEqual([]);
  });
});
