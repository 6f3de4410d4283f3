import { sql } from 'slonik';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type IssuerKey, issuerKey, serveKeys } from '../helpers/issuer.ts';
import { openGuardedApi } from './auth-harness.ts';

const cleanUps: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

const keySchema = z.strictObject({
  keyId: z.uuid(),
  name: z.string(),
  state: z.enum(['usable', 'expired', 'revoked']),
  grants: z.array(z.string()),
  organizations: z.array(z.string()).nullable(),
  createdBy: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
  revokedBy: z.string().nullable(),
  revokedAt: z.string().nullable(),
  lastUsedAt: z.string().nullable(),
});
const newSchema = keySchema.extend({ key: z.string() });

/** An API, its issuer, and an administrator of the whole installation. */
async function opened() {
  const key: IssuerKey = await issuerKey('ES256', 'ec');
  const issuer = await serveKeys(key.jwk);
  cleanUps.push(issuer.close);
  const api = await openGuardedApi({ AUTH_JWKS_URL: issuer.url });
  const tokenOf = (...roles: string[]) => key.token({ roles, organizations: '*' });
  const admin = await tokenOf('admin');
  return {
    ...api,
    tokenOf,
    admin,
    async make(body: Record<string, unknown>, by = admin) {
      const answered = await api.as(by, { method: 'POST', path: '/api-keys', json: body });
      expect(answered.status, answered.text).toBe(201);
      return newSchema.parse(JSON.parse(answered.text));
    },
    async listed() {
      const { text } = await api.as(admin, { path: '/api-keys' });
      return { text, apiKeys: z.object({ apiKeys: z.array(keySchema) }).parse(JSON.parse(text)).apiKeys };
    },
  };
}

const BODY = { name: 'nightly-export', grants: ['viewer'], organizations: ['org-1'] };

describe('API keys', () => {
  it('are shown once, and let in at once', async () => {
    const { make, listed, as, pool, logged } = await opened();
    const { key, ...made } = await make(BODY);
    expect(made).toEqual({
      ...BODY,
      keyId: made.keyId,
      state: 'usable',
      createdBy: 'ann',
      createdAt: made.createdAt,
      expiresAt: new Date(Date.parse(made.createdAt) + 90 * 86_400_000).toISOString(),
      revokedBy: null,
      revokedAt: null,
      lastUsedAt: null,
    });
    expect((await as(key)).status).toBe(200);

    const { text, apiKeys } = await listed();
    expect(apiKeys).toMatchObject([{ keyId: made.keyId, state: 'usable' }]);
    expect(text).not.toContain(key.slice(37));
    const rows = await pool.any(sql.type(z.object({ row: z.string() }))`
      SELECT k::text AS row FROM analytics.crm_api_keys k
    `);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.row).not.toContain(key.slice(37));
    expect(logged()).not.toContain(key.slice(37));
  });

  it('sign with their name', async () => {
    const { make, as } = await opened();
    const { key } = await make({ ...BODY, grants: ['compliance'] });
    const held = await as(key, { method: 'PUT', path: '/legal-holds/org-1', json: { reason: 'Case 7' } });
    expect(held.status, held.text).toBe(200);
    expect(JSON.parse(held.text)).toMatchObject({ placedBy: 'key:nightly-export' });
  });

  it('that are revoked let nobody in after some seconds, and stay in the list', async () => {
    const { make, listed, as, admin } = await opened();
    const { key, keyId } = await make(BODY);
    expect((await as(key)).status).toBe(200);
    const path = `/api-keys/${keyId}`;
    const revoked = await as(admin, { method: 'DELETE', path });
    expect(JSON.parse(revoked.text)).toMatchObject({ state: 'revoked', revokedBy: 'ann' });
    await vi.waitFor(async () => expect((await as(key)).status).toBe(401), { timeout: 10_000, interval: 250 });
    const again = await as(admin, { method: 'DELETE', path });
    expect(JSON.parse(again.text)).toEqual({
      ...JSON.parse(revoked.text),
      lastUsedAt: JSON.parse(again.text).lastUsedAt,
    });
    expect((await listed()).apiKeys).toMatchObject([{ keyId, state: 'revoked' }]);
  });

  it('tell when they were last used, to the minute', async () => {
    const { make, listed, as } = await opened();
    const { key } = await make(BODY);
    await as(key);
    const lastUsedAt = async () => (await listed()).apiKeys[0]?.lastUsedAt;
    await vi.waitFor(async () => expect(await lastUsedAt()).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z$/), 20_000);
  });

  it('are not made of what makes no sense', async () => {
    const { as, admin } = await opened();
    const cases: Array<[string, Record<string, unknown>]> = [
      ['without organizations', { organizations: undefined }],
      ['of no organization', { organizations: [] }],
      ['of 101 organizations', { organizations: Array.from({ length: 101 }, (_, at) => `o${at}`) }],
      ['without grants', { grants: [] }],
      ['with unknown grants', { grants: ['root'] }],
      ['with grants that objects inherit', { grants: ['__proto__'] }],
      ['that live for more than 366 days', { expiresInDays: 367 }],
      ['that have ended', { expiresInDays: 0 }],
      ['without a name', { name: '' }],
      ['with a line break in the name', { name: 'a\nb' }],
      ['with what nobody knows', { admin: true }],
    ];
    for (const [name, more] of cases) {
      const answered = await as(admin, { method: 'POST', path: '/api-keys', json: { ...BODY, ...more } });
      expect(answered.status, name).toBe(400);
    }
  });

  it('give nothing that their maker has not', async () => {
    const { as, tokenOf, make, admin } = await opened();
    const manager = await tokenOf('tenant:manage', 'viewer');
    const post = (by: string, grants: string[]) =>
      as(by, { method: 'POST', path: '/api-keys', json: { ...BODY, grants } });
    expect((await post(manager, ['viewer', 'tenant:manage'])).status).toBe(201);
    for (const grants of [['admin'], ['viewer', 'pii:read'], ['operator']]) {
      const answered = await post(manager, grants);
      expect(answered.status).toBe(403);
      expect(answered.text).toMatch(/pii:read|ingestion:start/);
    }
    const { key } = await make({ ...BODY, grants: ['tenant:manage'], organizations: null }, admin);
    expect((await post(key, ['admin'])).status).toBe(403);
    expect((await post(key, ['tenant:manage'])).status).toBe(201);
  });

  it('are for those alone who may manage them', async () => {
    const { as, tokenOf } = await opened();
    const operator = await tokenOf('operator', 'analyst', 'compliance', 'viewer');
    for (const [method, path] of [
      ['GET', '/api-keys'],
      ['POST', '/api-keys'],
      ['DELETE', '/api-keys/0b5e8c1e-8f3b-4f6e-9d59-4d3f0f0f7c11'],
    ] as const) {
      const answered = await as(operator, { method, path, ...(method === 'POST' && { json: BODY }) });
      expect(answered.status, `${method} ${path}`).toBe(403);
      expect(answered.text).toContain('tenant:manage');
    }
  });

  it('are no second person', async () => {
    const { make, as } = await opened();
    const { key } = await make({ ...BODY, grants: ['operator'], organizations: null });
    const path = '/redrives/0b5e8c1e-8f3b-4f6e-9d59-4d3f0f0f7c11/approve';
    const answered = await as(key, { method: 'POST', path });
    expect(answered.status).toBe(403);
    expect(answered.text).toContain('second person');
  });

  it('that there are not can not be revoked', async () => {
    const { as, admin } = await opened();
    const path = '/api-keys/0b5e8c1e-8f3b-4f6e-9d59-4d3f0f0f7c11';
    expect((await as(admin, { method: 'DELETE', path })).text).toContain('problem-unknown-api-key');
    expect((await as(admin, { method: 'DELETE', path: '/api-keys/1%20OR%201=1' })).status).toBe(400);
  });
});

describe('the table', () => {
  it('holds no key for longer than 366 days, and no hash of another length', async () => {
    const { keys } = await opened();
    const key = {
      keyId: '0b5e8c1e-8f3b-4f6e-9d59-4d3f0f0f7c11',
      name: 'a',
      grants: ['viewer'],
      organizations: null,
      createdBy: 'ann',
      hash: Buffer.alloc(32),
      lifetimeMs: 366 * 86_400_000,
    };
    await expect(keys.create({ ...key, lifetimeMs: key.lifetimeMs + 1 })).rejects.toMatchObject({ code: '23514' });
    await expect(keys.create({ ...key, hash: Buffer.alloc(20) })).rejects.toMatchObject({ code: '23514' });
    await expect(keys.create({ ...key, grants: [] })).rejects.toMatchObject({ code: '23514' });
    expect(await keys.create(key)).toMatchObject({ organizations: null, lastUsedAt: null });
  });
});
