/** Rows of the audit log and its head, as they are written and read. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import {
  type ChainedEntry,
  type Link,
  TRAIL_KINDS,
  TRAIL_OUTCOMES,
  TRAIL_PRINCIPALS,
} from '../../domain/audit-trail.ts';
import { isoTime } from './row-types.ts';

export const entryRow = z.object({
  sequence: z.number(),
  at: isoTime,
  kind: z.enum(TRAIL_KINDS),
  outcome: z.enum(TRAIL_OUTCOMES),
  actionId: z.string(),
  principal: z.string().nullable(),
  principalKind: z.enum(TRAIL_PRINCIPALS).nullable(),
  permission: z.string().nullable(),
  method: z.string().nullable(),
  route: z.string().nullable(),
  subject: z.record(z.string(), z.union([z.string(), z.number()])),
  organizations: z.array(z.string()).nullable(),
  status: z.number().nullable(),
  problem: z.string().nullable(),
  requestId: z.string().nullable(),
  clientAddress: z.string().nullable(),
  occurrences: z.number(),
  keyId: z.string().nullable(),
  hash: z.string(),
});

export const ENTRY_COLUMNS = sql.fragment`
  l.sequence, l.at, l.kind, l.outcome, l.action_id AS "actionId", l.principal, l.principal_kind AS "principalKind",
  l.permission, l.method, l.route, l.subject, l.organizations, l.status, l.problem, l.request_id AS "requestId",
  l.client_address AS "clientAddress", l.occurrences, l.key_id AS "keyId", encode(l.hash, 'hex') AS hash
`;

/** What a statement that adds entries takes of them. */
export function addedRows(entries: readonly ChainedEntry[]) {
  return sql.fragment`
    jsonb_to_recordset(${JSON.stringify(entries)}::jsonb) AS e(
      "sequence" bigint, "at" timestamptz, "kind" text, "outcome" text, "actionId" uuid, "principal" text,
      "principalKind" text, "permission" text, "method" text, "route" text, "subject" jsonb, "organizations" text[],
      "status" smallint, "problem" text, "requestId" text, "clientAddress" text, "occurrences" int, "keyId" text,
      "hash" text
    )
  `;
}

export const ADDED_COLUMNS = sql.fragment`
  sequence, at, kind, outcome, action_id, principal, principal_kind, permission, method, route, subject, organizations,
  status, problem, request_id, client_address, occurrences, key_id, hash
`;

export const ADDED_VALUES = sql.fragment`
  e."sequence", e."at", e."kind", e."outcome", e."actionId", e."principal", e."principalKind", e."permission",
  e."method", e."route", e."subject", e."organizations", e."status", e."problem", e."requestId", e."clientAddress",
  e."occurrences", e."keyId", decode(e."hash", 'hex')
`;

const headRow = z.object({ sequence: z.number(), hash: z.string(), at: z.number(), now: z.number() });

/** Where the log ends. `at` is the time of its last entry and `now` that of PostgreSQL, in epoch milliseconds. */
export type Head = z.infer<typeof headRow> & Link;

/** Others wait for the head meanwhile, in milliseconds: a process that stands still must not keep them for long. */
const IDLE_MS = 3_000;

/** @param lock whether nobody else may add entries until the transaction ends, which must be soon */
export function readHead(connection: CommonQueryMethods, { lock }: { lock: boolean }): Promise<Head> {
  const columns = sql.fragment`h.sequence, encode(h.hash, 'hex') AS hash, h.at, clock_timestamp() AS now`;
  return lock
    ? connection.one(sql.type(headRow)`
        SELECT ${columns}, set_config('idle_in_transaction_session_timeout', ${String(IDLE_MS)}, true)
        FROM analytics.crm_audit_log_head h
        FOR UPDATE
      `)
    : connection.one(sql.type(headRow)`SELECT ${columns} FROM analytics.crm_audit_log_head h`);
}

/**
 * Adds entries in one statement, if the log still ends where they begin.
 * @returns whether it did
 */
export async function insertAfter(
  connection: CommonQueryMethods,
  after: Link,
  entries: readonly ChainedEntry[],
): Promise<boolean> {
  const last = entries.at(-1);
  if (last === undefined) return true;
  const added = await connection.oneFirst(sql.type(z.object({ added: z.number() }))`
    WITH moved AS (
      UPDATE analytics.crm_audit_log_head
      SET sequence = ${last.sequence}, hash = decode(${last.hash}, 'hex'), at = ${last.at}::timestamptz
      WHERE sequence = ${after.sequence} AND hash = decode(${after.hash}, 'hex')
      RETURNING 1
    ),
    added AS (
      INSERT INTO analytics.crm_audit_log (${ADDED_COLUMNS})
      SELECT ${ADDED_VALUES} FROM ${addedRows(entries)}, moved
      RETURNING 1
    )
    SELECT count(*) AS added FROM added
  `);
  return added === entries.length;
}
