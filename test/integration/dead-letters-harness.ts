import { randomUUID } from 'node:crypto';
import { sql } from 'slonik';
import { expect } from 'vitest';
import { z } from 'zod';
import type { EventDecoder } from '../../activities/ports.ts';
import { createDeadLetters } from '../../adapters/postgres/dead-letters.ts';
import { settle } from '../../adapters/postgres/settle.ts';
import { createEventDecoder } from '../../adapters/registry/index.ts';
import type { ApiDeps, RedriveOne } from '../../api/ports.ts';
import { type Rejection, statusOf } from '../../domain/failures.ts';
import { quarantineBefore } from '../../domain/late-data.ts';
import { ALL_PERMISSIONS } from '../../domain/permissions.ts';
import type { Identity } from '../../domain/validate.ts';
import type { SoundEvent } from '../../scripts/lib/story.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createEventPath, LATE_WINDOW_MS, NOW, testFactory, withCanary } from '../helpers/events.ts';
import { testRegistry } from '../helpers/lane-harness.ts';
import { createTestApp, operationOf, PREFIX } from '../unit/api/app-under-test.ts';

export const LETTERS = `${PREFIX}/dead-letters`;

const READER = { 'x-permission': 'pii:read' };

export interface Failing {
  value?: Buffer;
  topic?: string;
  rejection?: Rejection;
  event?: Identity;
  schemaId?: number | null;
}

/** The API over a database and the registry, as two people: one who may see personal data and one who may not. */
export async function createDeadLetterHarness(
  over: { redriveOne?: RedriveOne; decoder?: EventDecoder; deadLetters?: ApiDeps['deadLetters'] } = {},
) {
  const { pool } = await createTestDatabase();
  const deadLetters = over.deadLetters ?? createDeadLetters(pool);
  const tested = createTestApp({
    deadLetters,
    decoder: over.decoder ?? createEventDecoder(testRegistry()),
    validationOf: async () => ({ now: NOW, late: quarantineBefore(NOW - LATE_WINDOW_MS), expectedEntity: null }),
    authenticate: async (c, next) => {
      const allowed = c.req.header('x-permission') === 'pii:read';
      const permissions = new Set(ALL_PERMISSIONS.filter((permission) => allowed || permission !== 'pii:read'));
      c.set('principal', { name: allowed ? 'grace' : 'ada', kind: 'anonymous', permissions, organizations: null });
      await next();
    },
    ...(over.redriveOne && { redriveOne: over.redriveOne }),
  });
  let offset = 0;

  /** Lets events fail as they would in production, with their rows in the log. @returns their ids in order */
  async function fail(events: readonly Failing[]): Promise<number[]> {
    const first = offset;
    // One after another as far as that is quick, so that their ids are in order.
    const pageSize = events.length <= 10 ? 1 : 1_000;
    for (let at = 0; at < events.length; at += pageSize) {
      const page = events.slice(at, at + pageSize);
      const deliveries = await Promise.all(page.map((event) => deliveryOf(event)));
      const settlement = {
        runId: randomUUID(),
        cause: 'enqueue',
        suppression: 0,
        redriveId: null,
        deliveries,
      } as const;
      await pool.connect((connection) => settle(connection, { ...settlement, deliveries }));
    }
    const rows = await pool.any(sql.type(z.object({ failed_id: z.number() }))`
      SELECT failed_id FROM analytics.crm_failed_events WHERE "offset" >= ${first} ORDER BY "offset"
    `);
    return rows.map((row) => row.failed_id);
  }

  async function deliveryOf({ value = Buffer.from('?'), topic = 'crm.events', ...failing }: Failing) {
    const rejection = failing.rejection ?? {
      code: 'too_long',
      detail: 'data.email: 300 characters, at most 255',
      field: 'data.email',
    };
    const source = { topic, partition: 0, sourceId: await sourceOf(topic), incarnation: 1 };
    const record = {
      offset,
      timestamp: NOW,
      key: Buffer.from('key'),
      value,
      headers: [['trace', Buffer.from('abc')]] as const,
    };
    offset += 1;
    const outcome = {
      kind: 'rejected',
      slice: 0,
      record,
      rejection,
      schemaId: failing.schemaId ?? 1,
      event: failing.event ?? {},
    } as const;
    const verdict =
      statusOf(rejection.code) === 'dead'
        ? ({ status: 'dead', nextAttemptAt: null } as const)
        : ({ status: 'failed', nextAttemptAt: NOW } as const);
    return { failed: null, source, outcome, verdict };
  }

  const sources = new Map<string, Promise<number>>();
  function sourceOf(topic: string): Promise<number> {
    const known = sources.get(topic);
    if (known !== undefined) return known;
    const added = pool.oneFirst(sql.type(z.object({ source_id: z.number() }))`
      INSERT INTO analytics.crm_sources (topic) VALUES (${topic}) RETURNING source_id
    `);
    sources.set(topic, added);
    return added;
  }

  const ask = async (method: string, path: string, json?: unknown, headers: Record<string, string> = {}) => {
    const response = await tested.request(method, `${LETTERS}${path}`, {
      ...(json !== undefined && { json }),
      headers,
    });
    const pattern = `${LETTERS}${path}`.replace(/[?].*$/u, '').replace(/\/\d+/u, '/{id}');
    const declared = operationOf(tested.document, method, pattern)?.responses ?? {};
    expect(Object.keys(declared), `${method} ${pattern}`).toContain(String(response.status));
    return { status: response.status, etag: response.headers.get('etag'), text: await response.text() };
  };
  return {
    ...tested,
    pool,
    deadLetters,
    fail,
    /** As somebody who may not see personal data. */
    ask,
    askAsReader: (method: string, path: string, json?: unknown, headers = {}) =>
      ask(method, path, json, { ...headers, ...READER }),
    /** The parsed answer, once it is one of success. */
    async get(path: string, headers: Record<string, string> = {}) {
      const { status, text } = await ask('GET', path, undefined, headers);
      if (status !== 200) throw new Error(`${status} ${text}`);
      return JSON.parse(text);
    },
    readerHeaders: READER,
  };
}

/** A sound event of an entity with the canary in it, and its bytes. */
export async function encodedEvent(entity: SoundEvent['entity'], seed = 'dead-letters') {
  const { encoder } = await createEventPath();
  const factory = testFactory({ seed });
  for (let index = 0; ; index += 1) {
    const { role, event } = factory.eventAt(index);
    if (event.entity === entity) {
      const carrying = withCanary(event);
      return { event: carrying, value: encoder.encode(role, carrying) };
    }
  }
}
