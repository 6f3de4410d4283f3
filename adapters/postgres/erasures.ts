/** Erasures as rows: requests, whom they are about while they run, and their reports. */
import { type CommonQueryMethods, type DatabasePool, sql } from 'slonik';
import { z } from 'zod';
import type {
  Erasure,
  ErasureRequests,
  ErasureStore,
  ErasureSummary,
  RunningErasure,
} from '../../activities/erasure-ports.ts';
import type { ErasurePlace, ErasureRecord, ErasureReport, ErasureSubject } from '../../domain/erasure.ts';
import { ENTITIES } from '../../domain/events.ts';
import { texts } from './column-fragments.ts';
import { createDataKeys, type DataKeys } from './data-keys.ts';
import { emptyFailed, keptMessages } from './erasure-failed.ts';
import { FOLDS_UNICODE } from './erasure-match.ts';
import { redactRequests, requestsInUse } from './erasure-requests.ts';
import { countRows, eraseRows, erasureTables, findRecords } from './erasure-rows.ts';
import { guarded } from './errors.ts';
import { isoTime } from './row-types.ts';
import { addSuppressed, lockSuppression } from './suppression.ts';

const summaryRow = z.object({
  erasureId: z.string(),
  subjectKind: z.enum(['email', 'records', 'organization']),
  action: z.enum(['delete', 'pseudonymize']),
  reason: z.string(),
  status: z.enum(['running', 'finished', 'failed']),
  failure: z.string().nullable(),
  requestedBy: z.string(),
  requestedAt: isoTime,
  finishedAt: isoTime.nullable(),
});

const SUMMARY = sql.fragment`
  e.erasure_id AS "erasureId", e.subject_kind AS "subjectKind", e.action, e.reason, e.status, e.failure,
  e.requested_by AS "requestedBy", e.requested_at AS "requestedAt", e.finished_at AS "finishedAt"
`;

/** What the API does with erasures. */
export function createErasureRequests(connection: CommonQueryMethods): ErasureRequests {
  return {
    create: (request) => guarded(() => create(connection, request)),
    fail: (erasureId, failure) => guarded(() => fail(connection, erasureId, failure)),
    list: (limit) => guarded(() => list(connection, limit)),
    find: (erasureId) => guarded(() => find(connection, erasureId)),
    isHeld: (organizationId) =>
      guarded(() =>
        connection.exists(sql.unsafe`
          SELECT 1 FROM analytics.crm_legal_holds WHERE organization_id = ${organizationId}
        `),
      ),
  };
}

/** What the workflow does with erasures. */
export function createErasureStore(pool: DatabasePool, dataKeys: DataKeys = createDataKeys(null)): ErasureStore {
  return {
    running: (erasureId) => guarded(() => running(pool, erasureId)),
    unfinished: (...which) => guarded(() => unfinished(pool, ...which)),
    suppress: (...what) => guarded(() => pool.transaction((transaction) => suppress(transaction, ...what))),
    records: (erasureId) => guarded(() => records(pool, erasureId)),
    tables: (oid) => guarded(() => erasureTables(pool, oid)),
    findRecords: (...where) => guarded(() => findRecords(pool, ...where)),
    eraseRows: (...where) => guarded(() => eraseRows(pool, ...where)),
    countRows: (...where) => guarded(() => countRows(pool, ...where)),
    messages: (after, limit) => guarded(() => keptMessages(pool, dataKeys, after, limit)),
    heldOrganizations: () => guarded(() => heldOrganizations(pool)),
    emptyFailed: (...which) => guarded(() => pool.transaction((transaction) => emptyFailed(transaction, ...which))),
    redactRequests: (erasure) => guarded(() => redactRequests(pool, erasure)),
    requestsInUse: (erasure) => guarded(() => requestsInUse(pool, erasure)),
    counts: (erasureId) => guarded(() => counts(pool, erasureId)),
    suppressed: (erasureId) => guarded(() => suppressed(pool, erasureId)),
    finish: (erasureId, report, signature) => guarded(() => end(pool, erasureId, { report, signature })),
    fail: (erasureId, failure) => guarded(() => fail(pool, erasureId, failure)),
    find: (erasureId) => guarded(() => find(pool, erasureId)),
  };
}

async function create(
  connection: CommonQueryMethods,
  { erasureId, subject, action, reason, requestedBy }: Parameters<ErasureRequests['create']>[0],
): Promise<void> {
  await connection.query(sql.unsafe`
    INSERT INTO analytics.crm_erasures (erasure_id, subject, subject_kind, action, reason, requested_by)
    VALUES (${erasureId}::uuid, ${JSON.stringify(subject)}::jsonb, ${subject.kind}, ${action}, ${reason}, ${requestedBy})
  `);
}

async function list(connection: CommonQueryMethods, limit: number): Promise<ErasureSummary[]> {
  const rows = await connection.any(sql.type(summaryRow)`
    SELECT ${SUMMARY} FROM analytics.crm_erasures e ORDER BY e.requested_at DESC, e.erasure_id LIMIT ${limit}
  `);
  return [...rows];
}

/** Written by `end` alone, whose type it has. */
const reportShape = z.custom<ErasureReport>((value) => typeof value === 'object' && value !== null);

function find(connection: CommonQueryMethods, erasureId: string): Promise<Erasure | null> {
  return connection.maybeOne(sql.type(
    summaryRow.extend({ report: reportShape.nullable(), signature: z.string().nullable() }),
  )`
    SELECT ${SUMMARY}, e.report, e.signature FROM analytics.crm_erasures e WHERE e.erasure_id = ${erasureId}::uuid
  `);
}

/** Checked when it was asked for; nobody else writes it. */
const subjectShape = z.custom<ErasureSubject>((value) => typeof value === 'object' && value !== null);

function running(connection: CommonQueryMethods, erasureId: string): Promise<RunningErasure | null> {
  return connection.maybeOne(sql.type(
    summaryRow
      .pick({ erasureId: true, action: true, requestedBy: true, requestedAt: true })
      .extend({ subject: subjectShape, foldsUnicode: z.boolean() }),
  )`
    SELECT e.erasure_id AS "erasureId", e.subject, e.action, e.requested_by AS "requestedBy",
      e.requested_at AS "requestedAt", ${FOLDS_UNICODE} AS "foldsUnicode"
    FROM analytics.crm_erasures e
    WHERE e.erasure_id = ${erasureId}::uuid AND e.status = 'running'
  `);
}

async function unfinished(connection: CommonQueryMethods, forMs: number, limit: number): Promise<string[]> {
  const ids = await connection.anyFirst(sql.type(z.object({ erasureId: z.string() }))`
    SELECT e.erasure_id AS "erasureId"
    FROM analytics.crm_erasures e
    WHERE e.status = 'running' AND e.requested_at <= clock_timestamp() - ${forMs} * interval '1 millisecond'
    ORDER BY e.requested_at
    LIMIT ${limit}
  `);
  return [...ids];
}

/** As in crm_event_ledger. */
const entityNumber = ({ entity }: Pick<ErasureRecord, 'entity'>) => ENTITIES.indexOf(entity) + 1;

async function suppress(
  transaction: CommonQueryMethods,
  ...[erasureId, identifiers, found]: Parameters<ErasureStore['suppress']>
): Promise<number> {
  const version = await lockSuppression(transaction);
  await transaction.query(sql.unsafe`
    INSERT INTO analytics.crm_erasure_records (erasure_id, entity, record_id, organization_id, token)
    SELECT ${erasureId}::uuid, entity, record_id, organization_id, token
    FROM unnest(
      ${sql.array(found.map(entityNumber), 'int2')}, ${texts(found.map(({ id }) => id))},
      ${texts(found.map(({ organizationId }) => organizationId ?? ''))}, ${texts(found.map(({ token }) => token))}
    ) AS r(entity, record_id, organization_id, token)
    ON CONFLICT (erasure_id, entity, record_id, organization_id) DO NOTHING
  `);
  return addSuppressed(transaction, erasureId, identifiers, version);
}

async function records(connection: CommonQueryMethods, erasureId: string): Promise<ErasureRecord[]> {
  const rows = await connection.any(sql.type(
    z.object({ entity: z.enum(ENTITIES), id: z.string(), organizationId: z.string().nullable() }),
  )`
    SELECT (ARRAY['lead', 'contact', 'opportunity'])[entity] AS entity, record_id AS id,
      NULLIF(organization_id, '') AS "organizationId"
    FROM analytics.crm_erasure_records
    WHERE erasure_id = ${erasureId}::uuid
  `);
  return [...rows];
}

async function heldOrganizations(connection: CommonQueryMethods): Promise<ReadonlySet<string>> {
  const held = await connection.anyFirst(
    sql.type(z.object({ id: z.string() }))`SELECT organization_id AS id FROM analytics.crm_legal_holds`,
  );
  return new Set(held);
}

async function counts(connection: CommonQueryMethods, erasureId: string): Promise<ErasurePlace[]> {
  const rows = await connection.any(sql.type(
    z.object({
      place: z.string(),
      what: z.enum(['deleted', 'pseudonymized', 'unlinked', 'emptied', 'redacted']),
      rows: z.number(),
    }),
  )`
    SELECT place, what, rows FROM analytics.crm_erasure_counts
    WHERE erasure_id = ${erasureId}::uuid
    ORDER BY place COLLATE "C", what
  `);
  return [...rows];
}

function suppressed(connection: CommonQueryMethods, erasureId: string): ReturnType<ErasureStore['suppressed']> {
  return connection.one(sql.type(z.object({ version: z.number(), hashes: z.array(z.string()), records: z.number() }))`
    SELECT v.version,
      (
        SELECT COALESCE(jsonb_agg(s.hash ORDER BY s.hash), '[]')
        FROM analytics.crm_suppressed s
        WHERE s.erasure_id = ${erasureId}::uuid
      ) AS hashes,
      (SELECT count(*) FROM analytics.crm_erasure_records r WHERE r.erasure_id = ${erasureId}::uuid) AS records
    FROM analytics.crm_suppression_version v
  `);
}

async function fail(connection: CommonQueryMethods, erasureId: string, failure: string): Promise<void> {
  await end(connection, erasureId, { failure });
}

type Ending = { failure: string } | { report: ErasureReport; signature: string | null };

/** Ends a running erasure and forgets whom it was about, in one statement. @returns false when it has ended already */
async function end(connection: CommonQueryMethods, erasureId: string, ending: Ending): Promise<boolean> {
  const failed = 'failure' in ending;
  return connection.oneFirst(sql.type(z.object({ ended: z.boolean() }))`
    WITH ended AS (
      UPDATE analytics.crm_erasures
      SET status = ${failed ? 'failed' : 'finished'}, subject = NULL, finished_at = clock_timestamp(),
          failure = ${failed ? ending.failure : null},
          report = ${failed ? null : JSON.stringify(ending.report)}::jsonb,
          signature = ${failed ? null : ending.signature}
      WHERE erasure_id = ${erasureId}::uuid AND status = 'running'
      RETURNING erasure_id
    ),
    forgotten AS (
      DELETE FROM analytics.crm_erasure_records r USING ended e WHERE r.erasure_id = e.erasure_id
    )
    SELECT EXISTS (SELECT 1 FROM ended) AS ended
  `);
}
