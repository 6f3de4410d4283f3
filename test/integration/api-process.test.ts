import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../helpers/database.ts';
import { openRelay } from './api-relay.ts';

const ENTRY = fileURLToPath(new URL('../../api/server.ts', import.meta.url));

const DOWN = {
  KAFKA_BROKERS: '127.0.0.1:1',
  SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
  TEMPORAL_ADDRESS: '127.0.0.1:1',
  DATABASE_URL: 'postgres://postgres@127.0.0.1:1/crm',
  REDIS_URL: 'redis://127.0.0.1:1',
};

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function launch(env: Record<string, string>) {
  const child = spawn(process.execPath, [ENTRY], {
    env: {
      ...process.env,
      NODE_ENV: 'development',
      API_PORT: '0',
      KAFKA_CONSUMER_GROUP_ID: `api-${randomUUID()}`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const lines: Array<Record<string, unknown>> = [];
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Record<string, unknown>;
    lines.push(line);
    if (line.message === 'API listens') listening.resolve(String(line.url));
  });
  let errors = '';
  child.stderr.on('data', (bytes) => {
    errors += bytes;
  });
  const exited = once(child, 'close').then(([code]) => {
    listening.reject(new Error(`exited before it listened: ${errors}`));
    return { code, errors };
  });
  listening.promise.catch(() => {});
  return { child, lines, url: listening.promise, exited };
}

describe('the process', () => {
  it('serves until SIGTERM and leaves with 0, each step logged', async () => {
    const database = await createTestDatabase();
    const { child, lines, url, exited } = launch({ DATABASE_URL: database.url });
    expect((await fetch(`${await url}/health`)).status).toBe(200);
    const status = await fetch(`${await url}/api/v1/crm-ingestion/status`);
    expect(await status.json()).toMatchObject({ phase: 'never-started', partitions: [], notes: [] });
    child.kill('SIGTERM');
    expect(await exited).toEqual({ code: 0, errors: '' });
    expect(lines.filter(({ message }) => message === 'shutdown step done').map(({ step }) => step)).toEqual([
      'HTTP server',
      'temporal client',
      'kafka reader',
      'storage of files',
      'retry queue',
      'rate limits',
      'audit log',
      'database pool',
    ]);
  });

  it('starts though nothing else is up, says so, and ends cleanly all the same', async () => {
    const { child, url, exited } = launch(DOWN);
    const health = await fetch(`${await url}/health`);
    expect(health.status).toBe(503);
    const { checks } = (await health.json()) as { checks: Record<string, { status: string }> };
    expect(Object.values(checks).map(({ status }) => status)).toEqual(['down', 'down', 'down', 'down', 'down']);
    expect((await fetch(`${await url}/api/v1/crm-ingestion/status`)).status).toBe(503);
    const metrics = await fetch(`${await url}/api/v1/crm-ingestion/metrics`);
    expect(await metrics.json()).toMatchObject({ eventsProcessed: null, queueDepth: null });
    // Asked, but not waited for: what is under way must not keep the process or break its end.
    fetch(`${await url}/health`).catch(() => {});
    child.kill('SIGTERM');
    expect(await exited).toEqual({ code: 0, errors: '' });
  });

  it('names everything that is wrong with its configuration', async () => {
    const { exited } = launch({ API_PORT: 'x', LOG_LEVEL: 'loud' });
    const { code, errors } = await exited;
    expect(code).toBe(1);
    expect(errors).toMatch(/LOG_LEVEL is "loud"[\s\S]*API_PORT is "x"/);
    expect(errors).not.toContain('    at ');
  });

  it('does not start in production where everyone would be let in', async () => {
    const { exited } = launch({ ...DOWN, NODE_ENV: 'production' });
    const { code, errors } = await exited;
    expect(code).toBe(1);
    expect(errors).toContain('AUTH_MODE is "off"; allowed in production: jwt');
    const { child, url } = launch({ ...DOWN, NODE_ENV: 'production', AUTH_MODE: 'jwt' });
    expect((await fetch(`${await url}/api/v1/crm-ingestion/status`)).status).toBe(401);
    child.kill('SIGTERM');
  });

  it('says that its port is taken', async () => {
    const relay = await openRelay({ host: '127.0.0.1', port: 1 });
    const { exited, lines } = launch({ API_PORT: String(relay.port) });
    expect((await exited).code).toBe(1);
    expect(lines.at(-1)).toMatchObject({
      level: 'error',
      error: {
        message: `can't listen on 127.0.0.1:${relay.port}: another process listens there: stop it or choose another port`,
      },
    });
    await relay.shut();
  });
});
