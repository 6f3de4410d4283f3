import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openApiServers } from '../../api/server.ts';
import { startApi } from '../../api/start.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { loadConfig } from '../../platform/config.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { createTestDatabase, required } from '../helpers/database.ts';
import { createMemoryControl } from '../unit/api/app-under-test.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';

const SECRET = 'a secret of these tests alone, 0123456789abcdef';
const [ISSUER, AUDIENCE] = ['https://issuer.example', 'crm-ingestion'];
const STATUS = '/api/v1/crm-ingestion/streams';

const AUTH = { AUTH_MODE: 'jwt', AUTH_HS256_SECRET: SECRET, AUTH_ISSUER: ISSUER, AUTH_AUDIENCE: AUDIENCE };

function token(name: string, secret = SECRET): Promise<string> {
  return new SignJWT({ roles: ['operator'], organizations: ['*'] })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(name)
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setJti(randomUUID())
    .setExpirationTime('10m')
    .sign(new TextEncoder().encode(secret));
}

/** The API on a free port over the real servers; the ingestion itself lives in memory. */
async function open(env: Record<string, string> = {}) {
  const config = loadConfig(
    {
      KAFKA_BROKERS: required('KAFKA_BROKERS'),
      SCHEMA_REGISTRY_URL: required('SCHEMA_REGISTRY_URL'),
      TEMPORAL_ADDRESS: required('TEMPORAL_ADDRESS'),
      DATABASE_URL: required('DATABASE_URL'),
      REDIS_URL: required('REDIS_URL'),
      RETRY_QUEUE_PREFIX: `test-${randomUUID()}`,
      API_PORT: '0',
      ...env,
    },
    EVENT_TYPES,
  );
  const [logger, metrics] = [recordingLogger(), createMetrics()];
  const { servers, closing } = openApiServers(config, logger);
  // Temporal is not asked how it is: a retry that is due after its connection is closed would end the process.
  const control = { ...servers.control, ...createMemoryControl(), health: async () => ({ latencyMs: 0 }) };
  const store = { ...servers.store, streams: { ...servers.store.streams, list: async () => [] } };
  const api = await startApi(config, { ...servers, control, store }, { logger, metrics });
  const agent = new Agent({ keepAlive: true });
  onTestFinished(async () => {
    agent.destroy();
    await api.close();
    for (const { run } of closing) await run();
  });

  interface Asked {
    path?: string;
    method?: string;
    headers?: Record<string, string>;
    /** Address of this machine to ask from. */
    from?: string;
  }

  function ask({ path = STATUS, method = 'GET', headers = {}, from = '127.0.0.1' }: Asked = {}) {
    return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
      const target = { host: '127.0.0.1', port: api.port, localAddress: from, agent, path, method, headers };
      const asked = request(target, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (piece) => {
          body += piece;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      });
      asked.on('error', reject).end();
    });
  }

  const as = async (bearer: string, asked: Asked = {}) =>
    ask({ ...asked, headers: { ...asked.headers, authorization: `Bearer ${bearer}` } });

  async function refused(): Promise<Record<string, number>> {
    const { values } = await metrics.httpRefused.get();
    const counts = values.map(({ labels, value }) => [String(labels.reason), value] as const);
    return Object.fromEntries(counts.filter(([, value]) => value > 0));
  }
  return { port: api.port, ask, as, refused, logger };
}

const BAD = await token('mallory', 'another secret, 0123456789abcdef0123456789abcdef');

/** Sends a bad token until the address is told to wait. @returns how often it was looked at */
async function flood({ as }: Awaited<ReturnType<typeof open>>): Promise<number> {
  let unauthorized = 0;
  for (;;) {
    const { status } = await as(BAD);
    if (status === 429) return unauthorized;
    expect(status).toBe(401);
    unauthorized += 1;
  }
}

/** The same, and goes on for so many refusals. */
async function floodOn(api: Awaited<ReturnType<typeof open>>, refusals: number): Promise<void> {
  await flood(api);
  for (let nth = 0; nth < refusals; nth += 1) expect((await api.as(BAD)).status).toBe(429);
}

describe('bad tokens', () => {
  it('are checked so often and then refused, with all that a client needs to wait', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '5' });
    // The one that is too much is still answered.
    expect(await flood(api)).toBe(6);
    const { status, headers, body } = await api.as(BAD, { path: `${STATUS}?secret=canary` });
    expect(status).toBe(429);
    expect(headers).toMatchObject({
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'ratelimit-policy': '"authentication";q=5;w=60',
      ratelimit: `"authentication";r=0;t=${headers['retry-after']}`,
    });
    expect(JSON.parse(body)).toEqual({
      type: '/docs#problem-rate-limited',
      title: 'There are too many requests',
      status: 429,
      detail: `Too many requests from your address came without an identity that could be proved. Try again in ${headers['retry-after']} s.`,
      instance: STATUS,
      requestId: headers['x-request-id'],
    });
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(await api.refused()).toEqual({ authentication: 2 });
  });

  it('lock nobody out: neither another address, nor who is known at the same one, nor the probes', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '5' });
    const [ann, bob] = [await token('ann'), await token('bob')];
    expect((await api.as(ann)).status).toBe(200);
    await flood(api);
    expect((await api.as(ann)).status).toBe(200);
    expect((await api.as(bob, { from: '127.0.0.2' })).status).toBe(200);
    expect((await api.ask({ path: '/health/live' })).status).toBe(200);
    expect((await api.ask({ path: '/metrics' })).status).toBe(200);
  });

  it('let a newcomer at the same address show who it is', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '5' });
    await flood(api);
    expect((await api.ask()).status).toBe(429);
    expect((await api.as(await token('ann'))).status).toBe(200);
  });

  it('are answered late once there were a hundred of a minute, while others are answered at once', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '5' });
    const ann = await token('ann');
    expect((await api.as(ann)).status).toBe(200);
    await floodOn(api, 100);
    const answers: number[] = [];
    const held = api.as(BAD).then(({ status }) => answers.push(status));
    await Promise.all([held, api.as(ann).then(({ status }) => answers.push(status))]);
    expect(answers).toEqual([200, 429]);
  });

  it('are answered by the end of the connection where the next ones come without waiting', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '5' });
    await floodOn(api, 100);
    const socket = connect(api.port, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
    });
    // What was sent and not read is answered by a reset.
    const closed = new Promise((resolve) => socket.on('error', () => {}).on('close', resolve));
    const asked = `GET ${STATUS} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${BAD}\r\n\r\n`;
    socket.write(asked.repeat(50));
    await closed;
    expect(text).toBe('');
  });

  it('hold up no connection of a proxy, which others need', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '5', TRUST_PROXY: '1' });
    // Held back, the second hundred would take longer than a test may.
    await floodOn(api, 200);
  });

  it('fill no log: neither a line for each nor one that tells of whom', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '5' });
    const before = api.logger.lines.filter(({ level }) => level !== 'debug').length;
    await flood(api);
    for (let nth = 0; nth < 20; nth += 1) await api.ask();
    expect(api.logger.lines.filter(({ level }) => level !== 'debug')).toHaveLength(before);
  });

  it('are checked without an end where the limit is off', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '0' });
    for (let nth = 0; nth < 50; nth += 1) expect((await api.as('bad')).status).toBe(401);
  });

  it('are refused under every spelling of a path', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '5' });
    await flood(api);
    const spellings = [
      STATUS,
      `/x/..${STATUS}`,
      `/.${STATUS}`,
      `http://127.0.0.1:${api.port}${STATUS}`,
      '/api',
      '/api?x',
    ];
    for (const path of spellings) {
      expect((await api.as(BAD, { path })).status, path).toBe(429);
    }
    expect((await api.ask({ path: '/health/live' })).status).toBe(200);
  });
});

describe('an identity', () => {
  it('has a limit wherever it comes from, and others have theirs', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_IDENTITY_PER_MINUTE: '2' });
    const [ann, bob] = [await token('ann'), await token('bob')];
    const first = await api.as(ann);
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"identity";q=2;w=60',
      ratelimit: expect.stringMatching(/^"identity";r=1;t=\d+$/u),
    });
    expect((await api.as(ann, { from: '127.0.0.2' })).status).toBe(200);
    const refused = await api.as(await token('ann'));
    expect(refused.status).toBe(429);
    expect(refused.headers).toMatchObject({ ratelimit: expect.stringMatching(/^"identity";r=0;t=\d+$/u) });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await api.as(bob)).status).toBe(200);
    expect(await api.refused()).toEqual({ identity: 1 });
  });
});

describe('an address', () => {
  it('has a limit where nobody has an identity, whatever they call themselves', async () => {
    const api = await open({ RATE_LIMIT_ADDRESS_PER_MINUTE: '3' });
    const named = (operator: string) => api.ask({ headers: { 'x-operator': operator } });
    expect((await named('a')).headers).toMatchObject({ 'ratelimit-policy': '"address";q=3;w=60' });
    expect([(await named('b')).status, (await named('c')).status, (await named('d')).status]).toEqual([200, 200, 429]);
    expect((await api.ask({ from: '127.0.0.2' })).status).toBe(200);
  });

  it('is not what X-Forwarded-For says, unless a proxy is trusted', async () => {
    const direct = await open({ RATE_LIMIT_ADDRESS_PER_MINUTE: '1' });
    const via = (client: string) => ({ headers: { 'x-forwarded-for': client } });
    expect((await direct.ask(via('192.0.2.1'))).status).toBe(200);
    expect((await direct.ask(via('192.0.2.2'))).status).toBe(429);
    const behind = await open({ RATE_LIMIT_ADDRESS_PER_MINUTE: '1', TRUST_PROXY: '127.0.0.0/8' });
    expect((await behind.ask(via('192.0.2.1'))).status).toBe(200);
    expect((await behind.ask(via('192.0.2.2'))).status).toBe(200);
    expect((await behind.ask(via('203.0.113.9, 192.0.2.2'))).status).toBe(429);
  });

  it('has a limit of its own for paths without identity, also under other spellings of them', async () => {
    const api = await open({ RATE_LIMIT_ADDRESS_PER_MINUTE: '2' });
    const statuses = [];
    for (const path of ['/health/live', '/no/such/path', '//api/v1', '/health/live']) {
      statuses.push((await api.ask({ path })).status);
    }
    expect(statuses).toEqual([200, 404, 429, 429]);
    expect((await api.ask()).status).toBe(200);
  });
});

describe('without Redis', () => {
  it('limits hold all the same, and nothing fails', async () => {
    const api = await open({ ...AUTH, RATE_LIMIT_FAILED_PER_MINUTE: '5', REDIS_URL: 'redis://127.0.0.1:1' });
    const ann = await token('ann');
    expect((await api.as(ann)).status).toBe(200);
    expect(await flood(api)).toBe(6);
    expect((await api.as(ann)).status).toBe(200);
    const warnings = api.logger.lines.filter(({ message }) => message.startsWith('redis does not count requests'));
    expect(warnings).toHaveLength(1);
  });
});

describe('pages of other sites', () => {
  const page = { origin: 'https://dashboard.example', 'sec-fetch-site': 'cross-site' };
  const preflight = { ...page, 'access-control-request-method': 'POST' };

  it('are not let in unless their origin is named', async () => {
    const api = await open();
    const asked = await api.ask({ method: 'OPTIONS', headers: preflight });
    expect(asked.headers).not.toHaveProperty('access-control-allow-origin');
    expect((await api.ask({ method: 'POST', path: '/api/v1/crm-ingestion/stop', headers: page })).status).toBe(403);
  });

  it('of a named origin may ask, and read answers and refusals; no other', async () => {
    const { url } = await createTestDatabase(); // what changes something is written down first
    const cors = { API_CORS_ORIGINS: 'https://dashboard.example', RATE_LIMIT_ADDRESS_PER_MINUTE: '3' };
    const api = await open({ ...cors, DATABASE_URL: url });
    const allowed = { 'access-control-allow-origin': 'https://dashboard.example' };
    const asked = await api.ask({ method: 'OPTIONS', headers: preflight });
    expect(asked.status).toBe(204);
    expect(asked.headers).toMatchObject(allowed);
    expect(asked.headers).not.toHaveProperty('access-control-allow-credentials');
    const stop = { method: 'POST', path: '/api/v1/crm-ingestion/stop' };
    const stopped = await api.ask({ ...stop, headers: page });
    expect([stopped.status, stopped.headers]).toEqual([200, expect.objectContaining(allowed)]);
    const other = await api.ask({ ...stop, headers: { ...page, origin: 'https://dashboard.example.evil' } });
    expect(other.status).toBe(403);
    expect(other.headers).not.toHaveProperty('access-control-allow-origin');
    for (let nth = 0; nth < 3; nth += 1) await api.ask();
    const refused = await api.ask({ headers: page });
    expect([refused.status, refused.headers]).toEqual([429, expect.objectContaining(allowed)]);
  });
});

it('URLs that are too long are a problem of their own', async () => {
  const { ask } = await open();
  const { status, body } = await ask({ path: `${STATUS}?${'a'.repeat(9_000)}` });
  expect(status).toBe(400);
  expect(JSON.parse(body)).toMatchObject({ detail: 'The URL has more than 8192 characters.' });
});

it('TLS of its own says that the name is always served over TLS', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'door-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const authority = await makeAuthority();
  const { cert, key } = await authority.issue({ ips: ['127.0.0.1'] });
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
  const { port, logger } = await open({ API_TLS_CERT_FILE: certFile, API_TLS_KEY_FILE: keyFile });
  const headers = await new Promise((resolve, reject) => {
    const target = { host: '127.0.0.1', port, path: '/health/live', ca: authority.ca, agent: false as const };
    requestTls(target, (response) => {
      response.resume().on('end', () => resolve(response.headers));
    })
      .on('error', reject)
      .end();
  });
  expect(headers).toMatchObject({ 'strict-transport-security': 'max-age=31536000' });
  expect(logger.lines).toContainEqual(
    expect.objectContaining({ fields: { url: `https://127.0.0.1:${port}`, docs: `https://127.0.0.1:${port}/docs` } }),
  );
  const plain = await open();
  expect((await plain.ask({ path: '/health/live' })).headers).not.toHaveProperty('strict-transport-security');
});
