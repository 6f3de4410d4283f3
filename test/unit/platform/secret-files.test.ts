import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Environment, loadConfig } from '../../../platform/config.ts';
import { renderConfigTable } from '../../../platform/config-docs.ts';
import { fileVariables } from '../../../platform/secret-files.ts';
import { VARIABLES, type Variable } from '../../../platform/variables.ts';
import { problemsOf } from './config-problems.ts';

const folder = mkdtempSync(join(tmpdir(), 'secret-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SECRET = 'hunter2-c4n4ry-s3cr3t-of-32-characters';

function file(content: string): string {
  const path = join(folder, `file-${Math.random().toString(36).slice(2)}`);
  writeFileSync(path, content);
  return path;
}

const load = (env: Environment) => loadConfig(env, ['lead.created']);

describe('a secret from a file', () => {
  it('is taken without the line end', () => {
    const { kafka } = load({ KAFKA_USERNAME: 'u', KAFKA_PASSWORD_FILE: file(`${SECRET}\n`) });
    expect(kafka.sasl?.password).toBe(SECRET);
  });

  it('may be a URL with a password', () => {
    const config = load({
      DATABASE_URL_FILE: file(`postgres://crm:${SECRET}@db/crm\r\n`),
      REDIS_URL_FILE: file(`redis://:${SECRET}@redis`),
    });
    expect(config.postgres.url).toBe(`postgres://crm:${SECRET}@db/crm`);
    expect(config.redis.url).toBe(`redis://:${SECRET}@redis`);
  });

  it('may have several lines', () => {
    const keys = `2027 ${Buffer.alloc(32, 7).toString('base64')}\n2026 ${Buffer.alloc(32, 6).toString('base64')}`;
    expect(load({ DATA_KEYS_FILE: file(`${keys}\n`) }).personalData.keys).toBe(keys);
  });

  it('is possible for every secret, and said in the table of variables', () => {
    const secrets = Object.entries<Variable>(VARIABLES).flatMap(([name, { secret }]) => (secret ? [name] : []));
    for (const name of [...secrets, 'DATABASE_URL', 'REDIS_URL']) {
      expect([...fileVariables(), ...Object.keys(VARIABLES)]).toContain(`${name}_FILE`);
      expect(renderConfigTable()).toContain(`${name}_FILE`);
    }
  });

  it('is told from a misspelt one', () => {
    expect(load({ KAFKA_PASWORD_FILE: '/run/x' }).warnings).toEqual([
      'KAFKA_PASWORD_FILE is unknown and ignored; did you mean KAFKA_PASSWORD_FILE?',
    ]);
  });

  it.each<[string, () => Environment, string]>([
    ['both', () => ({ KAFKA_USERNAME: 'u', KAFKA_PASSWORD: SECRET, KAFKA_PASSWORD_FILE: file(SECRET) }), 'both set'],
    ['a URL and its file', () => ({ REDIS_URL: 'redis://r', REDIS_URL_FILE: file(SECRET) }), 'both set'],
    ['no file', () => ({ TEMPORAL_API_KEY_FILE: join(folder, 'nowhere') }), 'allowed: the path of a readable file'],
    ['a folder', () => ({ TEMPORAL_API_KEY_FILE: folder }), 'allowed: the path of a readable file'],
    ['an empty file', () => ({ TEMPORAL_API_KEY_FILE: file(' \n') }), 'that holds TEMPORAL_API_KEY'],
    ['no URL in it', () => ({ DATABASE_URL_FILE: file(SECRET) }), 'DATABASE_URL is set to a secret'],
    ['no keys in it', () => ({ DATA_KEYS_FILE: file(SECRET) }), 'openssl rand -base64 32'],
  ])('is a problem with %s, which says what to do and nothing of the secret', (_, env, words) => {
    const problems = problemsOf(env());
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(words);
    expect(problems[0]).not.toContain('hunter2');
  });

  it('is never printed, whatever else is wrong', () => {
    const env = Object.fromEntries(fileVariables().map((name) => [name, file(SECRET)]));
    const all = problemsOf({ ...env, LOG_LEVEL: 'loud' }).join('\n');
    expect(all).toContain('LOG_LEVEL');
    expect(all).not.toContain('hunter2');
  });

  it('is not in the help of the commands', () => {
    const env = { ...process.env, DATA_KEYS: SECRET, DATABASE_URL: `postgres://u:${SECRET}@db/crm` };
    const help = execFileSync(process.execPath, ['scripts/rotate-keys.ts', '--help'], { env, encoding: 'utf8' });
    expect(help).toContain('keys:rotate');
    expect(help).not.toContain('hunter2');
  });
});

it('production is warned of data that is kept readable', () => {
  const production = { NODE_ENV: 'production', AUTH_MODE: 'jwt' };
  const warnings = (env: Environment) => load({ ...production, ...env }).warnings.map((text) => text.split(' ')[0]);
  const keys = `k ${Buffer.alloc(32, 5).toString('base64')}`;
  expect(warnings({})).toEqual(['DATA_KEYS', 'TEMPORAL_CODEC_KEYS', 'AUDIT_CHAIN_KEY_FILE']);
  const all = { DATA_KEYS: keys, TEMPORAL_CODEC_KEYS: keys, AUDIT_CHAIN_KEY_FILE: file(SECRET) };
  expect(warnings(all)).toEqual([]);
});

it('the key of the audit log must not be one that can be guessed', () => {
  expect(problemsOf({ AUDIT_CHAIN_KEY_FILE: file('short') })).toEqual([
    'the key in AUDIT_CHAIN_KEY_FILE is too short; allowed: 32 characters or more',
  ]);
  expect(load({ AUDIT_CHAIN_KEY_FILE: file(`${SECRET}\n`) }).auditLog).toMatchObject({ key: SECRET, keepDays: 2_190 });
});
