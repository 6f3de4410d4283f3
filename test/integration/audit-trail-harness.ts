import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { DatabasePool } from 'slonik';
import { onTestFinished } from 'vitest';
import { createAuditTrail } from '../../adapters/postgres/audit-trail.ts';
import { type Link, type TrailEntry, trailDigest } from '../../domain/audit-trail.ts';
import { verifyTrail } from '../../scripts/lib/verify-trail.ts';
import { createTestDatabase } from '../helpers/database.ts';

export const KEY = 'a key of the audit log for tests alone';

export function anEntry(over: Partial<TrailEntry> = {}): TrailEntry {
  return {
    kind: 'read',
    outcome: 'done',
    actionId: randomUUID(),
    principal: 'ann',
    principalKind: 'token',
    permission: 'deadletter:read',
    method: 'GET',
    route: '/api/v1/crm-ingestion/dead-letters/:id',
    subject: { id: '17' },
    organizations: null,
    status: 200,
    problem: null,
    requestId: randomUUID(),
    clientAddress: '127.0.0.1',
    occurrences: 1,
    ...over,
  };
}

/** One process that writes the log, and what it told of it. */
export function writerOver(pool: DatabasePool, key: string | null = null) {
  const cutBacks: Array<[seen: Link, found: Link]> = [];
  const places: Link[] = [];
  const trail = createAuditTrail(async () => pool, {
    digest: trailDigest(key),
    observer: { stands: (at) => places.push(at), cutBack: (seen, found) => cutBacks.push([seen, found]) },
  });
  return { trail, cutBacks, places };
}

/** A database with a log of so many entries, and a person who may do anything in it. */
export async function openLog(entries: number, key: string | null = null) {
  const { url, pool } = await createTestDatabase();
  const writer = writerOver(pool, key);
  for (let n = 1; n <= entries; n += 1) await writer.trail.append(anEntry({ principal: `person ${n}` }));
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  onTestFinished(() => admin.end());
  return {
    url,
    pool,
    ...writer,
    admin,
    /** Changes rows as only somebody can who may switch triggers off. */
    async tamper(...statements: string[]) {
      await admin.query('SET session_replication_role = replica');
      for (const statement of statements) await admin.query(statement);
      await admin.query('RESET session_replication_role');
    },
    verify: (checks: { keys?: string[]; expected?: Link[] } = {}) =>
      verifyTrail(pool, { keys: key === null ? [] : [key], expected: [], progress: () => {}, ...checks }),
  };
}
