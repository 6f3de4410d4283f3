import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, type Environment, loadConfig } from '../../../platform/config.ts';

let dir: string;
let pem: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'crm-config-tls-'));
  pem = path.join(dir, 'one.pem');
  writeFileSync(pem, '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

function problemsOf(env: Environment): readonly string[] {
  try {
    loadConfig(env, []);
    return [];
  } catch (error) {
    return error instanceof ConfigError ? error.problems : [String(error)];
  }
}

describe('certificates', () => {
  it('come with the server that they are for', () => {
    const files = ['CA', 'CERT', 'KEY'].flatMap((part) => [
      `REDIS_TLS_${part}_FILE`,
      `DATABASE_SSL_${part}_FILE`,
      `SCHEMA_REGISTRY_${part}_FILE`,
    ]);
    const env = Object.fromEntries(files.map((name) => [name, pem]));
    const config = loadConfig({ ...env, REDIS_URL: 'rediss://redis', SCHEMA_REGISTRY_URL: 'https://registry' }, []);
    const text = expect.stringContaining('BEGIN CERTIFICATE');
    const all = { ca: text, cert: text, key: text };
    expect(config.postgres).toMatchObject(all);
    expect(config.registry).toMatchObject(all);
    expect(config.redis).toEqual({ url: 'rediss://redis', tls: all });
  });

  it('are none without TLS', () => {
    expect(loadConfig({}, []).redis.tls).toBeNull();
    expect(loadConfig({ REDIS_URL: 'rediss://redis' }, []).redis.tls).toEqual({ ca: null, cert: null, key: null });
  });

  it.each([
    ['REDIS_URL', 'rediss:', ['REDIS_TLS_CA_FILE', 'REDIS_TLS_CERT_FILE', 'REDIS_TLS_KEY_FILE']],
    [
      'SCHEMA_REGISTRY_URL',
      'https:',
      ['SCHEMA_REGISTRY_CA_FILE', 'SCHEMA_REGISTRY_CERT_FILE', 'SCHEMA_REGISTRY_KEY_FILE'],
    ],
  ])('are refused where %s does not say TLS', (url, scheme, names) => {
    const problems = problemsOf(Object.fromEntries(names.map((name) => [name, pem])));
    expect(problems).toEqual(
      names.slice(0, 2).map((name) => `${name} is set, but ${url} does not begin with ${scheme}//, so there is no TLS`),
    );
  });

  it.each(['REDIS_TLS', 'DATABASE_SSL', 'SCHEMA_REGISTRY'])('of %s go with their keys', (prefix) => {
    const urls = { REDIS_URL: 'rediss://redis', SCHEMA_REGISTRY_URL: 'https://r', DATABASE_URL: 'postgres://db/crm' };
    const env = { ...urls, DATABASE_SSL_CA_FILE: pem };
    const [cert, key] = [`${prefix}_CERT_FILE`, `${prefix}_KEY_FILE`];
    expect(problemsOf({ ...env, [cert]: pem })).toEqual([expect.stringContaining(`without ${key}`)]);
    expect(problemsOf({ ...env, [key]: pem })).toEqual([expect.stringContaining(`without ${cert}`)]);
  });
});

describe('sslmode', () => {
  const at = (query: string) => ({ DATABASE_URL: `postgres://u:hunter2@db/crm${query}` });

  it.each(['', '?sslmode=disable', '?sslmode=require', '?sslmode=verify-full', '?sslmode=no-verify'])(
    'may be %s',
    (query) => {
      expect(problemsOf(at(query))).toEqual([]);
    },
  );

  it.each(['prefer', 'allow', 'verifyfull'])('may not be %s, which would not be TLS for sure', (mode) => {
    expect(problemsOf(at(`?sslmode=${mode}`))).toEqual([
      'sslmode in DATABASE_URL is none of ours; allowed: disable, no-verify, require, verify-ca, verify-full',
    ]);
  });

  it('and certificates must not contradict each other', () => {
    const ca = { DATABASE_SSL_CA_FILE: pem };
    const own = { DATABASE_SSL_CERT_FILE: pem, DATABASE_SSL_KEY_FILE: pem };
    const unused = (name: string, mode: string) =>
      `${name} is set, but DATABASE_URL says sslmode=${mode}; drop one of them`;
    expect(problemsOf({ ...at('?sslmode=no-verify'), ...ca, ...own })).toEqual([
      unused('DATABASE_SSL_CA_FILE', 'no-verify'),
    ]);
    expect(problemsOf({ ...at('?sslmode=disable'), ...own })).toEqual([unused('DATABASE_SSL_CERT_FILE', 'disable')]);
    expect(problemsOf({ ...at(''), ...own })).toEqual([
      'DATABASE_SSL_CERT_FILE is set without TLS; add sslmode=verify-full to DATABASE_URL',
    ]);
    expect(problemsOf({ ...at(''), ...ca, ...own })).toEqual([]);
  });
});
