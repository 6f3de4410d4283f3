import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createApiKeys } from '../../adapters/postgres/api-keys.ts';
import { createApiKeyCheck } from '../../api/auth/api-key-check.ts';
import { createKeySource } from '../../api/auth/key-source.ts';
import { createTokenCheck } from '../../api/auth/token-check.ts';
import { ALL_PERMISSIONS, permissionsOf } from '../../domain/permissions.ts';
import { loadConfig } from '../../platform/config.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/token.ts', import.meta.url));

const LAPTOP = {
  AUTH_MODE: 'jwt',
  AUTH_HS256_SECRET: 'k4Wm0pQ1zR7vX2bN9cL5sD8fG3hJ6yTe',
  AUTH_ISSUER: 'laptop',
  AUTH_AUDIENCE: 'crm-ingestion',
};

/** Runs the script in a folder of its own, so that no .env of the project is read. */
async function run(args: readonly string[], env: Record<string, string> = {}) {
  const cwd = await mkdtemp(path.join(tmpdir(), 'token-'));
  onTestFinished(() => rm(cwd, { recursive: true }));
  return new Promise<{ exitCode: unknown; output: string; errors: string }>((resolve) => {
    const options = { cwd, env: { ...process.env, NODE_ENV: 'development', ...env } };
    execFile(process.execPath, [SCRIPT, ...args], options, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : error.code, output: stdout, errors: stderr });
    });
  });
}

/** What an API with these variables makes of a token. */
async function shown(output: string, env: Record<string, string>) {
  const { tokens } = loadConfig(env, ['lead.created']).auth;
  const source = createKeySource(tokens!.keys, recordingLogger());
  return createTokenCheck(source, tokens!)(output.trim());
}

describe('npm run token', () => {
  it('prints what the API takes, alone', async () => {
    const args = ['--role', 'operator', '--role', 'pii:read', '--subject', 'ann', '--organization', 'org-1'];
    const { exitCode, output, errors } = await run([...args, '--organization', 'org-2', '--ttl', '8h'], LAPTOP);
    expect({ exitCode, lines: output.split('\n').length }).toEqual({ exitCode: 0, lines: 2 });
    expect(errors).toMatch(/^ann as operator, pii:read for org-1, org-2, until \S+\n$/);
    expect(await shown(output, LAPTOP)).toEqual({
      ok: true,
      principal: {
        name: 'ann',
        kind: 'token',
        permissions: permissionsOf(['operator', 'pii:read']),
        organizations: ['org-1', 'org-2'],
      },
    });
  });

  it('is for the whole installation without organizations, under the claims that the API reads', async () => {
    const env = { ...LAPTOP, AUTH_ROLES_CLAIM: 'realm_access.roles', AUTH_ORGANIZATIONS_CLAIM: 'realm_access.orgs' };
    const { output } = await run(['--role', 'admin'], env);
    expect(await shown(output, env)).toMatchObject({
      ok: true,
      principal: { permissions: new Set(ALL_PERMISSIONS), organizations: null },
    });
  });

  describe('without more than a reason', () => {
    const ROLE = ['--role', 'viewer'];
    it.each<[string, string[], Record<string, string>, string]>([
      ['no secret', ROLE, {}, 'openssl rand -base64 32'],
      ['production', ROLE, { NODE_ENV: 'production', AUTH_MODE: 'jwt' }, '--api-key'],
      ['a secret in production', ROLE, { ...LAPTOP, NODE_ENV: 'production' }, 'AUTH_HS256_SECRET is set'],
      ['an unknown role', ['--role', 'root'], LAPTOP, 'viewer, operator, analyst, compliance, admin'],
      ['no role', [], LAPTOP, '--role'],
      ['a time without a unit', [...ROLE, '--ttl', '5'], LAPTOP, 's, m, h, d'],
      ['a life that the API refuses', [...ROLE, '--ttl', '2d'], LAPTOP, 'AUTH_MAX_LIFETIME_SECONDS'],
      ['a key that lives too long', [...ROLE, '--api-key', '--ttl', '400d'], {}, '366'],
      ['an unusable name', [...ROLE, '--subject', 'a\nb'], LAPTOP, '--subject'],
    ])('refuses %s', async (_, args, env, words) => {
      const { exitCode, output, errors } = await run(args, env);
      expect({ exitCode, output }).toEqual({ exitCode: 1, output: '' });
      expect(errors).toContain(words);
      expect(errors).not.toContain(LAPTOP.AUTH_HS256_SECRET);
      expect(errors).not.toContain('    at ');
    });
  });

  it('makes the first API key where there is no issuer, in production too', async () => {
    const { url, pool } = await createTestDatabase();
    const env = { NODE_ENV: 'production', AUTH_MODE: 'jwt', DATABASE_URL: url };
    const made = await run(['--role', 'admin', '--subject', 'first', '--api-key'], env);
    expect(made).toMatchObject({ exitCode: 0, errors: expect.stringContaining('shown this once') });
    const check = createApiKeyCheck(createApiKeys(pool), { logger: recordingLogger() });
    expect(await check(made.output.trim())).toMatchObject({
      ok: true,
      principal: { name: 'key:first', organizations: null, permissions: new Set(ALL_PERMISSIONS) },
    });
  });
});
