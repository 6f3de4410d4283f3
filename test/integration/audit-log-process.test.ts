import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { sql } from 'slonik';
import { expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { verifyTrail } from '../../scripts/lib/verify-trail.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { as } from '../helpers/logins.ts';
import { openRelay } from './api-relay.ts';

/** The API as a process that is no more than its role, and where its database seems to be. */
async function launch(databaseUrl: string): Promise<{ url: string; child: ChildProcess; lines: unknown[] }> {
  const child = spawn(process.execPath, ['api/server.ts'], {
    env: {
      ...process.env,
      NODE_ENV: 'development',
      API_PORT: '0',
      DATABASE_URL: as('crm_test_api', databaseUrl),
      KAFKA_CONSUMER_GROUP_ID: `audit-log-${randomUUID()}`,
      RETRY_QUEUE_PREFIX: `audit-log-${randomUUID()}`,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: unknown[] = [];
  const listening = Promise.withResolvers<string>();
  child.once('exit', () => listening.reject(new Error('it ended before it listened')));
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text);
    lines.push(line);
    if (line.message === 'API listens') listening.resolve(`${line.url}/api/v1/crm-ingestion`);
  });
  return { child, lines, url: await listening.promise };
}

async function openInstallation() {
  const { url, pool } = await createTestDatabase();
  const { hostname, port } = new URL(url);
  const server = { host: hostname, port: Number(port) };
  const relay = await openRelay(server);
  onTestFinished(() => relay.shut());
  const throughRelay = new URL(url);
  throughRelay.port = String(relay.port);
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  onTestFinished(() => admin.end());
  return {
    ...(await launch(throughRelay.href)),
    relay,
    again: () => openRelay(server, relay.port),
    admin,
    verify: () => verifyTrail(pool, { keys: [], expected: [], progress: () => {} }),
    entries: () =>
      pool.any(sql.type(
        z.object({ kind: z.string(), status: z.number().nullable(), address: z.string(), organizations: z.any() }),
      )`
        SELECT kind, status, client_address AS address, organizations FROM analytics.crm_audit_log ORDER BY sequence
      `),
    holds: () =>
      pool.anyFirst(sql.type(z.object({ id: z.string() }))`
        SELECT organization_id AS id FROM analytics.crm_legal_holds
      `),
  };
}

const hold = (url: string, organization: string) =>
  fetch(`${url}/legal-holds/${organization}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'a case' }),
  });

it('a process records over HTTP by its role; while PostgreSQL is away nothing is done, and afterwards all goes on', async () => {
  const { url, relay, again, entries, holds, verify, lines, child } = await openInstallation();
  expect((await hold(url, 'org-1')).status).toBe(200);
  const same = { address: '127.0.0.1', organizations: ['org-1'] };
  expect(await entries()).toMatchObject([
    { ...same, kind: 'attempt', status: null },
    { ...same, kind: 'outcome', status: 200 },
  ]);

  await relay.shut();
  const refused = await hold(url, 'org-2');
  expect([refused.status, refused.headers.get('content-type')]).toEqual([503, 'application/problem+json']);
  expect(await refused.json()).toMatchObject({ type: '/docs#problem-audit-unavailable' });
  const log = await fetch(`${url}/audit-log`);
  expect(log.status).toBe(503);
  expect(await holds()).toEqual(['org-1']);

  const back = await again();
  onTestFinished(() => back.shut());
  await vi.waitFor(async () => expect((await hold(url, 'org-3')).status).toBe(200), { timeout: 20_000, interval: 200 });
  expect([...(await holds())].toSorted()).toEqual(['org-1', 'org-3']);
  expect((await verify()).broken).toBeNull();

  // Where the log ends is told when the process does, so that an end that is removed later is found.
  const { notes } = await verify();
  const last = /to (\d+) were/u.exec(notes[0] ?? '')?.[1];
  child.kill('SIGTERM');
  const stands = { message: 'the audit log stands', at: expect.stringMatching(`^${last}:[0-9a-f]{64}$`) };
  await vi.waitFor(() => expect(lines).toContainEqual(expect.objectContaining(stands)), 20_000);
});

it('a process that is killed between the attempt and the outcome leaves the attempt', async () => {
  const { url, child, admin, entries, holds, verify } = await openInstallation();
  await admin.query('BEGIN; LOCK TABLE analytics.crm_legal_holds IN ACCESS EXCLUSIVE MODE');
  const asked = hold(url, 'org-1').catch(() => 'broken off');
  await vi.waitFor(async () => expect(await entries()).toHaveLength(1), { timeout: 10_000 });
  child.kill('SIGKILL');
  expect(await asked).toBe('broken off');
  await admin.query('ROLLBACK');
  expect(await entries()).toMatchObject([{ kind: 'attempt', status: null }]);
  expect(await verify()).toMatchObject({
    broken: null,
    notes: expect.arrayContaining([expect.stringContaining('1 attempts have no outcome')]),
  });
  // What the database did of it is not known from the log alone; here it came too late or in time.
  expect([[], ['org-1']]).toContainEqual([...(await holds())]);
});
