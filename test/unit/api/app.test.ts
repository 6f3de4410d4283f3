import { describe, expect, it } from 'vitest';
import { PROBLEMS } from '../../../api/errors.ts';
import { createHealth } from '../../../platform/health.ts';
import { recordingLogger } from '../platform/recording-logger.ts';
import { createMemoryControl, createTestApp, operationOf, PREFIX } from './app-under-test.ts';

describe('health', () => {
  it.each([
    [true, 503, 'down'],
    [false, 200, 'degraded'],
  ])('with a server down that is needed: %s → %d', async (needed, status, word) => {
    const check = async () => {
      throw new Error('x');
    };
    const { request } = createTestApp({
      health: createHealth({ redis: { needed, check } }, { logger: recordingLogger() }),
    });
    const response = await request('GET', '/health');
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ status: word, checks: { redis: { status: 'down' } } });
    expect((await request('GET', '/health/live')).status).toBe(200);
  });
});

describe('problems', () => {
  it('have one shape, with the request id of their answer', async () => {
    const { request } = createTestApp();
    const response = await request('GET', '/nope');
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toEqual({
      type: '/docs#problem-not-found',
      title: 'There is no such path',
      status: 404,
      detail: expect.any(String),
      instance: '/nope',
      requestId: response.headers.get('x-request-id'),
    });
  });

  it('name the methods that a path takes', async () => {
    const { request } = createTestApp();
    const response = await request('GET', `${PREFIX}/start`);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    expect(await response.json()).toMatchObject({ type: '/docs#problem-method-not-allowed' });
  });

  it.each([
    ['a body that is not JSON', '{"lanes":', 'application/json', 400, 'invalid-request'],
    ['a body of another type', 'lanes=4', 'application/x-www-form-urlencoded', 415, 'unsupported-media-type'],
    ['a body that is too large', `{"lanes":${'1'.repeat(20_000)}}`, 'application/json', 413, 'too-large'],
    ['no body at all', undefined, undefined, 400, 'invalid-request'],
  ])('cover %s', async (_, body, type, status, kind) => {
    const { app, document } = createTestApp();
    const response = await app.request(`${PREFIX}/lanes`, {
      method: 'PUT',
      ...(body !== undefined && { body }),
      ...(type !== undefined && { headers: { 'content-type': type } }),
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ type: `/docs#problem-${kind}`, requestId: expect.any(String) });
    expect(operationOf(document, 'PUT', `${PREFIX}/lanes`)?.responses).toHaveProperty(String(status));
  });

  it('cover a body where none is asked for', async () => {
    const { request } = createTestApp();
    expect((await request('POST', `${PREFIX}/start`, { json: 'x'.repeat(20_000) })).status).toBe(413);
  });

  it('tell nothing of what went wrong inside; the log does, under the same request id', async () => {
    const control = {
      ...createMemoryControl(),
      start: async () => {
        throw new TypeError('secret of the inside');
      },
    };
    const { request, logger } = createTestApp({ control });
    const response = await request('POST', `${PREFIX}/start`);
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain('secret of the inside');
    expect(logger.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { requestId: JSON.parse(text).requestId, error: expect.any(TypeError) } },
    ]);
  });

  it('never repeat what a field held', async () => {
    const { request } = createTestApp();
    const json = { topic: 'ann@example.com'.repeat(50), partition: 'ann@example.com', to: 'ann@example.com' };
    expect(await (await request('POST', `${PREFIX}/seek`, { json })).text()).not.toContain('ann@');
  });
});

describe('request ids', () => {
  it('are taken over from the caller', async () => {
    const { request } = createTestApp();
    const response = await request('GET', '/health/live', { headers: { 'x-request-id': 'abc-123' } });
    expect(response.headers.get('x-request-id')).toBe('abc-123');
  });

  it.each(['', 'a b', '<script>', 'x'.repeat(129)])('are made when the caller sends %j', async (id) => {
    const { request } = createTestApp();
    const response = await request('GET', '/health/live', { headers: { 'x-request-id': id } });
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('requests', () => {
  it('are one line at debug level, without their query', async () => {
    const { request, logger } = createTestApp();
    await request('GET', '/health/live?email=ann@example.com');
    expect(logger.lines).toHaveLength(1);
    expect(logger.lines[0]).toMatchObject({ level: 'debug', fields: { route: '/health/live', status: 200 } });
    expect(JSON.stringify(logger.lines)).not.toContain('ann@');
  });

  it('pass the door under /api and nowhere else', async () => {
    const { request, app } = createTestApp({ authenticate: async (c) => c.text('who are you?', 401) });
    for (const { method, path } of app.routes.filter(
      ({ method, path }) => method !== 'ALL' && path.startsWith('/api/'),
    )) {
      expect((await app.request(path, { method })).status, `${method} ${path}`).toBe(401);
    }
    expect((await app.request('/api/unknown')).status).toBe(401);
    for (const path of ['/health', '/health/live', '/metrics', '/docs', '/openapi.json']) {
      expect((await request('GET', path)).status).toBe(200);
    }
  });

  it('get answers that are not kept, sniffed or framed', async () => {
    const { request } = createTestApp();
    const { headers } = await request('GET', '/health/live');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
  });
});

describe('documentation', () => {
  it('has every route', () => {
    const { app, document } = createTestApp();
    const routes = app.routes.filter(({ method }) => method !== 'ALL');
    expect(routes.length).toBeGreaterThan(10);
    for (const { method, path } of routes) {
      expect(operationOf(document, method, path), `${method} ${path}`).toBeDefined();
    }
  });

  it('explains every route, and every route may fail unexpectedly', () => {
    const { document } = createTestApp();
    for (const [path, item] of Object.entries(document.paths ?? {})) {
      for (const operation of Object.values(item)) {
        expect(operation, path).toMatchObject({
          summary: expect.any(String),
          description: expect.any(String),
          tags: [expect.any(String)],
          responses: { 500: expect.anything() },
        });
      }
    }
  });

  it('is served as JSON', async () => {
    const { request } = createTestApp();
    expect(await (await request('GET', '/openapi.json')).json()).toMatchObject({
      openapi: '3.1.0',
      paths: { [`${PREFIX}/start`]: { post: expect.anything() } },
    });
  });

  it('is served as a page with every route, schema and problem', async () => {
    const { request, document } = createTestApp();
    const page = await (await request('GET', '/docs')).text();
    for (const [path, item] of Object.entries(document.paths ?? {})) {
      for (const method of Object.keys(item)) expect(page).toContain(`<span class="method">${method}</span> ${path}`);
    }
    for (const name of Object.keys(document.components?.schemas ?? {})) expect(page).toContain(`id="schema-${name}"`);
    for (const kind of Object.keys(PROBLEMS)) expect(page).toContain(`id="problem-${kind}"`);
    expect(page).toContain(`-d &#39;{&quot;lanes&quot;:4}&#39;`);
  });

  it('loads nothing from elsewhere and links only to what is there', async () => {
    const { request } = createTestApp();
    const response = await request('GET', '/docs');
    const page = await response.text();
    expect(page).not.toMatch(/<script|<img|<link|\ssrc=|url\(|@import/i);
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[^']+';/);
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]));
    for (const [, anchor] of page.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(anchor);
  });
});

describe('a page of another site', () => {
  it.each([
    ['cross-site', 403],
    ['same-site', 403],
    ['same-origin', 200],
    ['none', 200],
  ])('that the browser calls %s is answered %d when it changes something', async (site, status) => {
    const { app } = createTestApp();
    const stop = await app.request(`${PREFIX}/stop`, { method: 'POST', headers: { 'sec-fetch-site': site } });
    expect(stop.status).toBe(status);
    const look = await app.request(`${PREFIX}/status`, { headers: { 'sec-fetch-site': site } });
    expect(look.status).toBe(200);
  });
});
