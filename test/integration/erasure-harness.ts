import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { type CommonQueryMethods, type DatabasePool, sql } from 'slonik';
import { z } from 'zod';
import { createErasureActivities } from '../../activities/erasure.ts';
import type { EventDecoder } from '../../activities/ports.ts';
import { createSuppressionList } from '../../activities/suppression.ts';
import { createErasureRequests, createErasureStore } from '../../adapters/postgres/erasures.ts';
import { createSuppressionSource } from '../../adapters/postgres/suppression.ts';
import { createEventDecoder } from '../../adapters/registry/index.ts';
import type { ErasureAction, ErasureReport, ErasureSubject } from '../../domain/erasure.ts';
import { createIdentifierHash } from '../../domain/suppression.ts';
import { testRegistry } from '../helpers/lane-harness.ts';

export const KEY = 'a key of the tests, 32 characters or more';
const ROUNDS = 5;

/** Erases as the workflow does, over a database of the test. */
export function createEraser(pool: DatabasePool, decoder: EventDecoder = createEventDecoder(testRegistry())) {
  const identifiers = createIdentifierHash(KEY);
  const suppression = createSuppressionList(createSuppressionSource(pool), identifiers);
  const requests = createErasureRequests(pool);
  const activities = createErasureActivities({
    erasures: createErasureStore(pool),
    decoder,
    suppression,
    identifiers,
    signer: null,
    failedRawKeepDays: 30,
  });
  const run = <Input, Result>(activity: (input: Input) => Promise<Result>, input: Input): Promise<Result> =>
    new MockActivityEnvironment().run(activity as (...args: never[]) => Promise<Result>, input as never);

  async function request(subject: ErasureSubject, action: ErasureAction = 'delete'): Promise<string> {
    const erasureId = randomUUID();
    await requests.create({ erasureId, subject, action, reason: 'asked to', requestedBy: 'ann' });
    return erasureId;
  }

  async function erase(subject: ErasureSubject, action: ErasureAction = 'delete'): Promise<ErasureReport> {
    const input = { erasureId: await request(subject, action) };
    await run(activities.suppressSubject, input);
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const step of [
        activities.resolveRecords,
        activities.eraseTables,
        activities.eraseFailed,
        activities.redactRequests,
      ]) {
        await run(step, input);
      }
      const found = await run(activities.searchAgain, input);
      if (found.left > 0) continue;
      await run(activities.concludeErasure, { ...input, found });
      const erasure = await requests.find(input.erasureId);
      if (erasure?.report) return erasure.report;
    }
    throw new Error('the erasure does not end');
  }

  return { activities, run, request, erase, requests, suppression };
}

/** Tables with a row that holds the text anywhere, in whatever column. */
export async function tablesWith(pool: CommonQueryMethods, text: string): Promise<string[]> {
  const tables = await pool.any(sql.type(z.object({ schema: z.string(), name: z.string() }))`
    SELECT n.nspname AS schema, c.relname AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  `);
  const found: string[] = [];
  const hex = Buffer.from(text).toString('hex');
  for (const { schema, name } of tables) {
    // Bytes show as hex digits.
    const holds = await pool.exists(sql.unsafe`
      SELECT 1 FROM ${sql.identifier([schema, name])} t
      WHERE strpos(lower(t::text), ${text.toLowerCase()}) > 0 OR strpos(t::text, ${hex}) > 0
    `);
    if (holds) found.push(name);
  }
  return found;
}
