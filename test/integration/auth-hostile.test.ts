import { sql } from 'slonik';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newApiKey } from '../../api/auth/api-key.ts';
import { serveKeys } from '../helpers/issuer.ts';
import { type Answered, askRaw, openGuardedApi } from './auth-harness.ts';
import { type Cast, castOf, HOSTILE_TOKENS, laptopToken, POWERLESS_TOKENS, polluting } from './auth-hostile-tokens.ts';

/** The machinery is started once for a table of cases, so each table is one test that tells which cases failed. */
async function opened() {
  const strangers = await serveKeys();
  const cast = await castOf(strangers.url);
  const issuer = await serveKeys(cast.rsa.jwk, cast.ec.jwk, cast.ed.jwk);
  const api = await openGuardedApi({ AUTH_JWKS_URL: issuer.url });
  cleanUps.push(strangers.close, issuer.close);
  return { ...api, cast, issuer, strangers };
}

const cleanUps: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** What is wrong with an answer that must be this problem; nothing when it is. */
function flaws(answered: Answered, status: 401 | 403, shown: string): string[] {
  const found: string[] = [];
  if (answered.status !== status) found.push(`status ${answered.status}`);
  if (answered.headers['content-type'] !== 'application/problem+json') found.push('not a problem');
  const kind = status === 401 ? 'unauthorized' : 'forbidden';
  if (!answered.text.includes(`"/docs#problem-${kind}"`)) found.push(`not ${kind}`);
  const challenge = answered.headers['www-authenticate'];
  if ((status === 401) !== (challenge?.startsWith('Bearer realm="crm-ingestion"') ?? false)) found.push('challenge');
  if (leaks(answered.text + (challenge ?? ''), shown)) found.push('leak');
  return found;
}

/** Whether a text holds a part of what was shown that is long enough to be of use. */
function leaks(text: string, shown: string): boolean {
  return [...shown.split(/[. ]/u), shown.slice(-24)].some((part) => part.length >= 16 && text.includes(part));
}

describe('tokens that are not accepted', () => {
  it(`are answered with 401, and nothing of them is told or logged: ${HOSTILE_TOKENS.length} of them`, async () => {
    const { as, cast, logged, issuer, strangers } = await opened();
    for (const key of [cast.rsa, cast.ec, cast.ed]) {
      expect((await as(await key.token())).status, `genuine ${key.alg}`).toBe(200);
    }
    const failures: string[] = [];
    const shown: string[] = [];
    for (const [name, make] of HOSTILE_TOKENS) {
      const token = await make(cast);
      shown.push(token);
      const found = flaws(await as(token), 401, token);
      if (found.length > 0) failures.push(`${name}: ${found.join(', ')}`);
    }
    expect(failures).toEqual([]);
    const log = logged();
    expect(log).toContain('nobody was let in');
    expect(shown.filter((token) => leaks(log, token))).toEqual([]);
    expect(strangers.answering.requests).toBe(0);
    expect(issuer.answering.requests).toBe(1);
  });

  it('are more than 80, each of another name', () => {
    expect(HOSTILE_TOKENS.length).toBeGreaterThan(80);
    expect(new Set(HOSTILE_TOKENS.map(([name]) => name)).size).toBe(HOSTILE_TOKENS.length);
  });

  it('of a shared secret are none where keys of an issuer are used', async () => {
    const { as } = await opened();
    const token = await laptopToken('k4Wm0pQ1zR7vX2bN9cL5sD8fG3hJ6yTe');
    expect(flaws(await as(token), 401, token)).toEqual([]);
  });
});

describe('tokens that are genuine', () => {
  it("don't give what they don't name", async () => {
    const { as, cast } = await opened();
    const asked = { method: 'DELETE', path: '/retention/crm_leads_staging/org-1' };
    expect((await as(await cast.ec.token(), asked)).status).toBe(404);
    const failures: string[] = [];
    const cases: Array<readonly [string, string]> = [['that pollute', await polluting(cast)]];
    for (const [name, claims] of POWERLESS_TOKENS) cases.push([name, await cast.ec.token(claims)]);
    for (const [name, token] of cases) {
      const answered = await as(token, asked);
      const found = flaws(answered, 403, token);
      if (!answered.text.includes('partition:manage')) found.push('does not say what is missing');
      if (found.length > 0) failures.push(`${name}: ${found.join(', ')}`);
    }
    expect(failures).toEqual([]);
  });

  it("don't reach the installation unless they say so", async () => {
    const { as, cast } = await opened();
    const cases: Array<[string, Record<string, unknown>]> = [
      ['one organization', { organizations: ['org-1'] }],
      ['no organization', { organizations: undefined }],
      ['an empty list', { organizations: [] }],
      ['a pattern', { organizations: ['org-*'] }],
      ['all of them under another name', { organizations: ['ALL', 'any', '**'] }],
    ];
    for (const [name, claims] of cases) {
      const token = await cast.ec.token({ roles: ['admin'], ...claims });
      for (const [method, path] of [
        ['GET', '/api-keys'],
        ['POST', '/api-keys'],
        ['GET', '/audits'],
      ] as const) {
        const answered = await as(token, { method, path, ...(method === 'POST' && { json: {} }) });
        expect(flaws(answered, 403, token), `${name}: ${method} ${path}`).toEqual([]);
      }
    }
    const everything = await cast.ec.token({ roles: ['admin'], organizations: '*' });
    expect((await as(everything, { path: '/api-keys' })).status).toBe(200);
  });
});

const HEADERS: ReadonlyArray<[name: string, headers: (token: string, key: string) => readonly string[]]> = [
  ['none', () => []],
  ['an empty one', () => ['authorization', '']],
  ['two with the same token', (token) => ['authorization', `Bearer ${token}`, 'authorization', `Bearer ${token}`]],
  ['a bad one before a good one', (token) => ['authorization', 'Bearer x', 'authorization', `Bearer ${token}`]],
  ['a good one before a bad one', (token) => ['authorization', `Bearer ${token}`, 'Authorization', 'Bearer x']],
  ['two in one', (token) => ['authorization', `Bearer ${token}, Bearer ${token}`]],
  ['Basic', (token) => ['authorization', `Basic ${Buffer.from(`ann:${token}`).toString('base64')}`]],
  ['Basic and the token', (token) => ['authorization', `Basic ${token}`]],
  ['Digest', (token) => ['authorization', `Digest username="ann", response="${token}"`]],
  ['Negotiate', (token) => ['authorization', `Negotiate ${token}`]],
  ['DPoP', (token) => ['authorization', `DPoP ${token}`]],
  ['Token', (token) => ['authorization', `Token ${token}`]],
  ['ApiKey', (_, key) => ['authorization', `ApiKey ${key}`]],
  ['no scheme', (token) => ['authorization', token]],
  ['no scheme and a key', (_, key) => ['authorization', key]],
  ['a scheme alone', () => ['authorization', 'Bearer']],
  ['a scheme and a space', () => ['authorization', 'Bearer ']],
  ['the scheme twice', (token) => ['authorization', `Bearer Bearer ${token}`]],
  ['no space', (token) => ['authorization', `Bearer${token}`]],
  ['a tab', (token) => ['authorization', `Bearer\t${token}`]],
  ['a colon', (token) => ['authorization', `Bearer: ${token}`]],
  ['something after it', (token) => ['authorization', `Bearer ${token} realm="x"`]],
  ['quotes', (token) => ['authorization', `Bearer "${token}"`]],
  ['single quotes', (token) => ['authorization', `Bearer '${token}'`]],
  ['angle brackets', (token) => ['authorization', `Bearer <${token}>`]],
  ['a space within', (token) => ['authorization', `Bearer ${token.slice(0, 20)} ${token.slice(20)}`]],
  ['percent-encoding', (token) => ['authorization', `Bearer ${token.replaceAll('.', '%2E')}`]],
  ['other dots', (token) => ['authorization', `Bearer ${token.replaceAll('.', '\u00b7')}`]],
  ['letters with accents', () => ['authorization', 'Bearer \u00e9\u00e8\u00fc.\u00e9\u00e8\u00fc.\u00e9\u00e8\u00fc']],
  ['padding', (token) => ['authorization', `Bearer ${token}==`]],
  ['JSON', (token) => ['authorization', `Bearer {"token":"${token}"}`]],
  ['SQL', () => ['authorization', "Bearer ' OR 1=1 --"]],
  ['a lookup', () => ['authorization', 'Bearer $\u007bjndi:ldap://127.0.0.1:1/x}']],
  ['another header', (token, key) => ['x-api-key', key, 'x-access-token', token, 'x-operator', 'root']],
  ['Proxy-Authorization', (token) => ['proxy-authorization', `Bearer ${token}`]],
  ['X-Forwarded-Authorization', (token) => ['x-forwarded-authorization', `Bearer ${token}`]],
  ['a cookie', (token) => ['cookie', `token=${token}; access_token=${token}; session=${token}`]],
  [
    'headers that proxies set',
    () => ['x-forwarded-user', 'admin', 'x-remote-user', 'admin', 'x-auth-request-user', 'a'],
  ],
];

describe('headers that show nobody', () => {
  it('are answered with 401', async () => {
    const { ask, as, cast, logged, makeKey } = await opened();
    const token = await cast.ec.token();
    const { key } = await makeKey(['viewer'], ['org-1']);
    expect((await as(token)).status).toBe(200);
    expect((await as(key)).status).toBe(200);
    expect((await ask({ headers: ['authorization', `bearer   ${token}  `] })).status).toBe(200);
    const failures: string[] = [];
    for (const [name, headers] of HEADERS) {
      const found = flaws(await ask({ headers: headers(token, key) }), 401, `${token}.${key}`);
      if (found.length > 0) failures.push(`${name}: ${found.join(', ')}`);
    }
    for (const name of ['access_token', 'token', 'api_key', 'authorization']) {
      const answered = await ask({ path: `/retention?${name}=${encodeURIComponent(token)}` });
      const found = flaws(answered, 401, token);
      if (found.length > 0) failures.push(`in the query as ${name}: ${found.join(', ')}`);
    }
    expect(failures).toEqual([]);
    expect(leaks(logged(), `${token}.${key}`)).toBe(false);
  });

  it('end in a refusal also where they are no text', async () => {
    const { port, logged } = await opened();
    const cases: Array<[string, Buffer, number]> = [
      ['UTF-8', Buffer.from('Bearer токен.токен.токен'), 401],
      ['bytes above 127', Buffer.concat([Buffer.from('Bearer '), Buffer.alloc(60, 0xe9)]), 401],
      ['a NUL', Buffer.from('Bearer a\u0000b'), 400],
      ['a line break within', Buffer.from('Bearer a\rb'), 400],
      ['a folded line', Buffer.from('Bearer\r\n a.b.c'), 400],
      ['18 KiB', Buffer.from(`Bearer ${'a'.repeat(18 * 1024)}`), 431],
      ['12 KiB', Buffer.from(`Bearer ${'a'.repeat(12 * 1024)}`), 401],
    ];
    for (const [name, bytes, status] of cases) {
      const answer = await askRaw(port, bytes);
      expect(answer, name).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer, name).not.toContain('aaaaaaaaaaaaaaaa');
    }
    expect(logged()).not.toContain('aaaaaaaaaaaaaaaa');
  });
});

describe('100 KiB in a header', () => {
  it('are never read to their end', async () => {
    const { port, logged, as, cast } = await opened();
    const answer = await askRaw(port, Buffer.from(`Bearer ${'a'.repeat(100 * 1024)}`));
    expect(answer).toMatch(/^(?:HTTP\/1.1 431 [\s\S]*)?$/);
    expect(answer + logged()).not.toContain('aaaaaaaaaaaaaaaa');
    expect((await as(await cast.ec.token())).status).toBe(200);
  });
});

describe('API keys that are not accepted', () => {
  const KEYS: ReadonlyArray<[name: string, of: (key: string) => string]> = [
    ['one that there never was', () => newApiKey().key],
    ['another secret', (key) => key.slice(0, 37) + newApiKey().key.slice(37)],
    ['another id', (key) => newApiKey().key.slice(0, 37) + key.slice(37)],
    ['one character less', (key) => key.slice(0, -1)],
    ['one character more', (key) => `${key}A`],
    ['its last character replaced', (key) => key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A')],
    ['its id alone', (key) => key.slice(0, 37)],
    ['the prefix alone', () => 'crm_'],
    ['no prefix', (key) => key.slice(4)],
    ['the prefix twice', (key) => `crm_${key}`],
    ['another prefix', (key) => key.replace('crm_', 'sk_')],
    ['the prefix in capitals', (key) => key.replace('crm_', 'CRM_')],
    [
      'its id in capitals',
      (key) => key.slice(0, 4) + key.slice(4, 36).toUpperCase().replaceAll(/\d/g, 'A') + key.slice(36),
    ],
    ['its id with dashes', (key) => key.replace(/^crm_(.{8})(.{4})(.{4})(.{4})/u, 'crm_$1-$2-$3-$4-')],
    ['an id of zeros', (key) => `crm_${'0'.repeat(32)}${key.slice(36)}`],
    ['a secret of zeros', (key) => `${key.slice(0, 37)}${'A'.repeat(43)}`],
    ['dots as in a token', (key) => key.replaceAll('_', '.')],
    ['itself twice', (key) => key + key],
    ['padding', (key) => `${key}=`],
    ['its hash', (key) => `crm_${'a'.repeat(32)}_${Buffer.from(key).toString('base64url').slice(0, 43)}`],
    ['8 KiB', (key) => key + 'A'.repeat(8_000)],
  ];

  it('are answered with 401', async () => {
    const { as, makeKey, logged } = await opened();
    const { key } = await makeKey(['viewer'], ['org-1']);
    expect((await as(key)).status).toBe(200);
    const failures: string[] = [];
    for (const [name, of] of KEYS) {
      const shown = of(key);
      const found = flaws(await as(shown), 401, shown);
      if (found.length > 0) failures.push(`${name}: ${found.join(', ')}`);
    }
    expect(failures).toEqual([]);
    expect(leaks(logged(), key)).toBe(false);
  });

  it('because they have ended are told so, if they are genuine', async () => {
    const { as, makeKey, pool, keys } = await opened();
    const [ended, revoked] = [await makeKey(['viewer'], null), await makeKey(['viewer'], null)];
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_api_keys
      SET created_at = created_at - INTERVAL '2 hours', expires_at = expires_at - INTERVAL '2 hours'
      WHERE key_id = ${ended.keyId}
    `);
    await keys.revoke(revoked.keyId, 'bob');
    const answered = await as(ended.key);
    expect(flaws(answered, 401, ended.key)).toEqual([]);
    expect(answered.text).toContain('expired');
    const other = await as(`${ended.key.slice(0, 37)}${newApiKey().key.slice(37)}`);
    expect(other.text).not.toContain('expired');
    expect((await as(revoked.key)).text).not.toContain('revoked');
    expect(flaws(await as(revoked.key), 401, revoked.key)).toEqual([]);
  });

  it('for what is asked of them are answered with 403', async () => {
    const { as, makeKey } = await opened();
    const { key: viewer } = await makeKey(['viewer'], null);
    const { key: bound } = await makeKey(['admin'], ['org-1']);
    expect(flaws(await as(viewer, { method: 'POST', path: '/pause' }), 403, viewer)).toEqual([]);
    expect(flaws(await as(bound, { path: '/api-keys' }), 403, bound)).toEqual([]);
  });
});

describe('the issuer that can not be asked', () => {
  let cast: Cast;
  beforeAll(async () => {
    cast = await castOf('');
  });

  it('is trouble of its own, and API keys are taken all the same', async () => {
    const { as, makeKey, ask, port } = await openGuardedApi({ AUTH_JWKS_URL: 'http://127.0.0.1:1/keys' });
    const health = await fetch(`http://127.0.0.1:${port}/health`);
    expect(await health.json()).toMatchObject({ checks: { issuer: { status: 'down', needed: false } } });
    const answered = await as(await cast.ec.token());
    expect(answered.status).toBe(503);
    expect(answered.text).toContain('/docs#problem-identity-unavailable');
    expect(answered.headers['retry-after']).toBe('5');
    const { key } = await makeKey(['viewer'], null);
    expect((await as(key)).status).toBe(200);
    expect((await ask({})).status).toBe(401);
  });

  it('is not needed where nobody issues tokens', async () => {
    const { as, makeKey } = await openGuardedApi();
    const token = await cast.ec.token();
    expect(flaws(await as(token), 401, token)).toEqual([]);
    expect((await as((await makeKey(['viewer'], null)).key)).status).toBe(200);
  });
});
