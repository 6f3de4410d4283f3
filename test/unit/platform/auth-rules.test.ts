import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, generateSecret } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Environment, loadConfig } from '../../../platform/config.ts';
import { isWellKnown } from '../../../platform/well-known-secrets.ts';
import { problemsOf } from './config-problems.ts';

const folder = mkdtempSync(join(tmpdir(), 'auth-rules-'));
const files = { set: join(folder, 'set.json'), secrets: join(folder, 'private.json'), text: join(folder, 'text') };
const SECRET = 'k4Wm0pQ1zR7vX2bN9cL5sD8fG3hJ6yTe';
const WHO = { AUTH_ISSUER: 'https://id.example.com', AUTH_AUDIENCE: 'crm' };
const JWKS_URL = 'https://id.example.com/keys';

beforeAll(async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const shared = await exportJWK(await generateSecret('HS256', { extractable: true }));
  writeFileSync(files.set, JSON.stringify({ keys: [await exportJWK(publicKey)] }));
  writeFileSync(files.secrets, JSON.stringify({ keys: [await exportJWK(privateKey), shared] }));
  writeFileSync(files.text, `${SECRET}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const load = (env: Environment) => loadConfig(env, ['lead.created']);

describe('authentication', () => {
  it('is off on a laptop', () => {
    expect(load({}).auth).toEqual({ mode: 'off', tokens: null });
  });

  it('takes API keys alone where nothing says who issues tokens', () => {
    expect(load({ AUTH_MODE: 'jwt' }).auth).toEqual({ mode: 'jwt', tokens: null });
  });

  it('takes tokens of one issuer', () => {
    const { auth } = load({
      AUTH_MODE: 'jwt',
      ...WHO,
      AUTH_JWKS_URL: JWKS_URL,
      AUTH_ROLES_CLAIM: 'realm_access.roles',
    });
    expect(auth.tokens).toEqual({
      issuer: 'https://id.example.com',
      audience: 'crm',
      keys: { kind: 'url', url: JWKS_URL },
      clockSkewSeconds: 30,
      maxLifetimeSeconds: 86_400,
      rolesClaim: 'realm_access.roles',
      organizationsClaim: 'organizations',
    });
  });

  it('reads keys and secrets from files', () => {
    expect(load({ ...WHO, AUTH_JWKS_FILE: files.set }).auth.tokens?.keys).toMatchObject({ kind: 'file' });
    expect(load({ ...WHO, AUTH_HS256_SECRET_FILE: files.text }).auth.tokens?.keys).toEqual({
      kind: 'secret',
      secret: SECRET,
    });
  });

  it.each(['http://127.0.0.1:8080/keys', 'http://localhost/keys', 'http://[::1]:1/keys', JWKS_URL])(
    'fetches keys from %s',
    (url) => expect(problemsOf({ ...WHO, AUTH_JWKS_URL: url })).toEqual([]),
  );

  it.each<[string, () => Environment, string]>([
    ['keys from elsewhere without TLS', () => ({ ...WHO, AUTH_JWKS_URL: 'http://id.example.com/keys' }), 'https://'],
    ['a host that only looks local', () => ({ ...WHO, AUTH_JWKS_URL: 'http://127.0.0.1.example.com/' }), 'https://'],
    ['a password in a URL', () => ({ ...WHO, AUTH_JWKS_URL: 'https://u:p@id.example.com/' }), 'user or password'],
    ['a URL of another kind', () => ({ ...WHO, AUTH_JWKS_URL: 'file:///etc/keys' }), 'https:// or http://'],
    ['no issuer', () => ({ AUTH_AUDIENCE: 'crm', AUTH_JWKS_URL: JWKS_URL }), 'AUTH_ISSUER'],
    ['no audience', () => ({ AUTH_ISSUER: 'x', AUTH_JWKS_URL: JWKS_URL }), 'AUTH_AUDIENCE'],
    ['neither', () => ({ AUTH_HS256_SECRET: SECRET }), 'AUTH_ISSUER and AUTH_AUDIENCE'],
    ['two sources', () => ({ ...WHO, AUTH_JWKS_URL: JWKS_URL, AUTH_HS256_SECRET: SECRET }), 'one source of keys'],
    ['a short secret', () => ({ ...WHO, AUTH_HS256_SECRET: SECRET.slice(1) }), 'too short'],
    ['a placeholder', () => ({ ...WHO, AUTH_HS256_SECRET: 'change-me-change-me-change-me-change-me' }), 'everybody'],
    ['a file that is no key set', () => ({ ...WHO, AUTH_JWKS_FILE: files.text }), 'JSON Web Key Set'],
    ['private keys', () => ({ ...WHO, AUTH_JWKS_FILE: files.secrets }), 'public keys alone'],
    ['no skew', () => ({ AUTH_CLOCK_SKEW_SECONDS: '301' }), 'from 0 to 300'],
    ['HS256 in staging', () => ({ ...WHO, NODE_ENV: 'staging', AUTH_HS256_SECRET: SECRET }), 'AUTH_JWKS_URL'],
  ])('has a problem with %s', (_, env, words) => {
    const problems = problemsOf(env());
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(words);
    expect(problems[0]).not.toContain(SECRET.slice(1));
  });
});

describe('production', () => {
  const SAFE = { NODE_ENV: 'production', AUTH_MODE: 'jwt' };

  it('starts with tokens of an issuer, or with API keys alone', () => {
    expect(problemsOf(SAFE)).toEqual([]);
    expect(problemsOf({ ...SAFE, ...WHO, AUTH_JWKS_URL: JWKS_URL })).toEqual([]);
  });

  it('starts without a password, where the database knows who asks', () => {
    expect(problemsOf({ ...SAFE, DATABASE_URL: 'postgres://postgres@db/crm' })).toEqual([]);
  });

  it.each<[Environment, string]>([
    [{ AUTH_MODE: 'off' }, 'AUTH_MODE is "off"'],
    [{ AUTH_MODE: '' }, 'AUTH_MODE is "off"'],
    [{ ...WHO, AUTH_HS256_SECRET: SECRET }, 'AUTH_HS256_SECRET'],
    [{ DATABASE_URL: 'postgres://crm:postgres@db/crm' }, 'DATABASE_URL'],
    [{ DATABASE_URL: 'postgres://crm:change%2Dme@db/crm' }, 'DATABASE_URL'],
    [{ REDIS_URL: 'redis://:changeme@redis' }, 'REDIS_URL'],
    [{ KAFKA_USERNAME: 'u', KAFKA_PASSWORD: 'password' }, 'KAFKA_PASSWORD'],
    [{ S3_ACCESS_KEY_ID: 'k', S3_SECRET_ACCESS_KEY: 'minioadmin' }, 'S3_SECRET_ACCESS_KEY'],
    [{ ERASURE_KEY: 'x'.repeat(40) }, 'ERASURE_KEY'],
  ])('refuses %o', (env, words) => {
    const problems = problemsOf({ ...SAFE, ...env });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(words);
  });

  it('is what staging is warned of', () => {
    expect(load({ NODE_ENV: 'staging' }).warnings).toEqual([expect.stringContaining('AUTH_MODE is "off"')]);
    expect(load({ NODE_ENV: 'staging', AUTH_MODE: 'jwt' }).warnings).toEqual([]);
    expect(load({}).warnings).toEqual([]);
  });
});

describe('secrets that everybody knows', () => {
  it.each(['secret', 'Password123', 'change_me', '<your-password-here>', 'aaaaaaaaaa', 'your_secret_key', '***'])(
    'are told: %s',
    (secret) => expect(isWellKnown(secret)).toBe(true),
  );

  it.each([SECRET, 'correct horse battery staple', 'secretary-of-state', 'hunter2'])('are not: %s', (secret) =>
    expect(isWellKnown(secret)).toBe(false),
  );
});
