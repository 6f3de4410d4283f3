import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { makeAuthority } from '../helpers/certificates.ts';
import { required } from '../helpers/database.ts';
import { openGrpcDoor, openHttpsDoor } from '../helpers/tls-doors.ts';

const WORKER = fileURLToPath(new URL('../../workers/worker.ts', import.meta.url));

const SERVERS = ['database', 'kafka', 'redis', 'registry', 'temporal'] as const;

const Line = z.object({
  message: z.string(),
  server: z.string().optional(),
  reason: z.string().optional(),
  port: z.number().optional(),
});

/** A machine that is too busy at the start for the time that a check may take gets more of them after so long. */
const ASK_AGAIN_MS = 15_000;

/** Certificates that nobody trusts: one for gRPC, and one for everything else that begins with TLS. */
async function strangeDoors(): Promise<[temporal: string, others: string]> {
  const own = await (await makeAuthority()).issue({ names: ['localhost'] });
  const doors = [
    await openGrpcDoor(required('TEMPORAL_ADDRESS'), own),
    await openHttpsDoor(required('SCHEMA_REGISTRY_URL'), own),
  ] as const;
  onTestFinished(async () => {
    for (const door of doors) await door.shut();
  });
  return [`localhost:${doors[0].port}`, `localhost:${doors[1].port}`];
}

it('a worker says at its start of each server what is wrong and where to look, waits, and ends cleanly', async () => {
  const [temporal, address] = await strangeDoors();
  const child = spawn(process.execPath, [WORKER], {
    env: {
      PATH: process.env.PATH,
      WORKER_PORT: '0',
      KAFKA_CONSUMER_GROUP_ID: `refused-${randomUUID()}`,
      RETRY_QUEUE_PREFIX: `test-${randomUUID()}`,
      KAFKA_BROKERS: address,
      KAFKA_SSL: 'true',
      SCHEMA_REGISTRY_URL: `https://${address}`,
      REDIS_URL: `rediss://:hunter2@${address}`,
      TEMPORAL_ADDRESS: temporal,
      TEMPORAL_TLS: 'true',
      DATABASE_URL: `${required('DATABASE_URL')}?sslmode=verify-full`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const exited = once(child, 'close');
  let output = '';
  child.stderr.on('data', (bytes) => {
    output += bytes;
  });
  const told = new Map<string, string>();
  const all = Promise.withResolvers<void>();
  let asking: NodeJS.Timeout | undefined;
  onTestFinished(() => clearInterval(asking));
  createInterface({ input: child.stdout }).on('line', (text) => {
    output += text;
    const {
      message,
      server = message.startsWith('Temporal') ? 'temporal' : '',
      reason,
      port,
    } = Line.parse(JSON.parse(text));
    if (port !== undefined) asking = setInterval(() => fetch(`http://127.0.0.1:${port}/health`), ASK_AGAIN_MS);
    if (reason !== undefined && server !== '') told.set(server, reason);
    if (SERVERS.every((name) => told.has(name))) all.resolve();
  });
  await Promise.race([all.promise, exited]);
  clearInterval(asking);
  expect(Object.fromEntries(told)).toEqual({
    database: 'PostgreSQL does not speak TLS there: see DATABASE_URL',
    kafka: 'the certificate of Kafka is signed by no authority that we trust: see KAFKA_SSL_CA_FILE',
    redis: 'the certificate of Redis is signed by no authority that we trust: see REDIS_TLS_CA_FILE',
    registry:
      'the certificate of the schema registry is signed by no authority that we trust: see SCHEMA_REGISTRY_CA_FILE',
    temporal: 'the certificate of Temporal is signed by no authority that we trust: see TEMPORAL_TLS_CA_FILE',
  });
  expect(output).not.toContain('hunter2');
  expect(child.exitCode).toBeNull();
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});
