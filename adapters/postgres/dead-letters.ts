/** Failed events as people look at them. Lists leave the messages' bytes where they are. */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type {
  DeadLetter,
  DeadLetterGroup,
  DeadLetterSearch,
  DeadLetterSummary,
  DeadLetters,
  WholeDeadLetter,
} from '../../activities/dead-letter-ports.ts';
import { RETRYABLE_CODES } from '../../domain/failure-class.ts';
import { createDataKeys, type DataKeys } from './data-keys.ts';
import { correct, discard } from './dead-letter-changes.ts';
import { guarded } from './errors.ts';
import { matchesFilter } from './failed-filter.ts';
import { eventVersion } from './failed-version.ts';
import { openRows } from './kept-messages.ts';
import { isoTime } from './row-types.ts';

const status = z.enum(['failed', 'dead', 'resolved', 'discarded']);

const bytes = z.instanceof(Buffer);

const row = z.object({
  failedId: z.number(),
  status,
  topic: z.string(),
  partition: z.number(),
  offset: z.number(),
  errorCode: z.string(),
  errorDetail: z.string(),
  field: z.string().nullable(),
  sqlstate: z.string().nullable(),
  fingerprint: z.string(),
  eventId: z.string().nullable(),
  eventType: z.string().nullable(),
  organizationId: z.string().nullable(),
  schemaId: z.number().nullable(),
  attempts: z.number(),
  redrives: z.number(),
  nextAttemptAt: isoTime.nullable(),
  settledAs: z.string().nullable(),
  createdAt: isoTime,
  updatedAt: isoTime,
});

const COLUMNS = sql.fragment`
  f.failed_id AS "failedId", f.status, f.topic, f.partition, f."offset", f.error_code AS "errorCode",
  f.error_message AS "errorDetail", f.field, f.sqlstate, f.fingerprint, f.event_id AS "eventId",
  f.event_type AS "eventType", f.organization_id AS "organizationId", f.schema_id AS "schemaId", f.attempts, f.redrives,
  f.next_attempt_at AS "nextAttemptAt", f.settled_as AS "settledAs", f.created_at AS "createdAt",
  f.updated_at AS "updatedAt"
`;

const wholeRow = row.extend({
  version: z.string(),
  recordTimestamp: z.number(),
  key: bytes.nullable(),
  value: bytes.nullable(),
  headers: z.array(z.tuple([z.string(), z.string().nullable()])).nullable(),
  sourceId: z.number(),
  sealedBy: z.string().nullable(),
  errors: z.array(z.object({ at: z.string(), code: z.string(), detail: z.string() })),
  correction: z.unknown(),
  correctedBy: z.string().nullable(),
  correctedAt: isoTime.nullable(),
  discardReason: z.string().nullable(),
  discardedBy: z.string().nullable(),
  settledAt: isoTime.nullable(),
});

const WHOLE_COLUMNS = sql.fragment`
  ${COLUMNS}, ${eventVersion} AS version, f.record_timestamp AS "recordTimestamp", f.key, f.value,
  f.headers, f.source_id AS "sourceId", f.sealed_by AS "sealedBy", f.errors, f.correction, f.corrected_by AS "correctedBy",
  f.corrected_at AS "correctedAt", f.discard_reason AS "discardReason",
  f.discarded_by AS "discardedBy", f.settled_at AS "settledAt"
`;

const UNSETTLED = sql.fragment`f.status IN ('failed', 'dead')`;

export function createDeadLetters(
  connection: CommonQueryMethods,
  dataKeys: DataKeys = createDataKeys(null),
): DeadLetters {
  return {
    list: (search, page) => guarded(() => list(connection, search, page)),
    listWhole: (search, page) => guarded(() => listWhole(connection, dataKeys, search, page)),
    get: (failedId) => guarded(() => get(connection, dataKeys, failedId)),
    groups: (search, limit) => guarded(() => groups(connection, search, limit)),
    summary: (organizations) => guarded(() => summary(connection, organizations)),
    correct: (...change) => guarded(() => correct(connection, dataKeys, ...change)),
    discard: (...change) => guarded(() => discard(connection, ...change)),
  };
}

type Page = Parameters<DeadLetters['list']>[1];

async function list(connection: CommonQueryMethods, search: DeadLetterSearch, page: Page): Promise<DeadLetter[]> {
  const rows = await connection.any(sql.type(row)`
    SELECT ${COLUMNS} FROM analytics.crm_failed_events f WHERE ${onPage(search, page)}
    ORDER BY f.failed_id DESC LIMIT ${page.limit}
  `);
  return [...rows];
}

async function listWhole(
  connection: CommonQueryMethods,
  dataKeys: DataKeys,
  search: DeadLetterSearch,
  page: Page,
): Promise<WholeDeadLetter[]> {
  const rows = await connection.any(sql.type(wholeRow)`
    SELECT ${WHOLE_COLUMNS} FROM analytics.crm_failed_events f WHERE ${onPage(search, page)}
    ORDER BY f.failed_id DESC LIMIT ${page.limit}
  `);
  return openRows(connection, dataKeys, rows);
}

async function get(
  connection: CommonQueryMethods,
  dataKeys: DataKeys,
  failedId: number,
): Promise<WholeDeadLetter | null> {
  const rows = await connection.any(sql.type(wholeRow)`
    SELECT ${WHOLE_COLUMNS} FROM analytics.crm_failed_events f WHERE f.failed_id = ${failedId}
  `);
  const [opened] = await openRows(connection, dataKeys, rows);
  return opened ?? null;
}

const groupRow = z.object({
  fingerprint: z.string(),
  count: z.number(),
  schemaId: z.number().nullable(),
  errorCode: z.string(),
  sqlstate: z.string().nullable(),
  field: z.string().nullable(),
  topics: z.array(z.string()),
  firstSeen: isoTime,
  lastSeen: isoTime,
  exampleId: z.number(),
});

/** What makes the fingerprint is the same in a whole group, so any of its rows tells it. */
async function groups(
  connection: CommonQueryMethods,
  search: DeadLetterSearch,
  limit: number,
): Promise<DeadLetterGroup[]> {
  const rows = await connection.any(sql.type(groupRow)`
    SELECT f.fingerprint, count(*) AS count, min(f.schema_id) AS "schemaId", min(f.error_code) AS "errorCode",
      min(f.sqlstate) AS sqlstate, min(f.field) AS field, array_agg(DISTINCT f.topic::text) AS topics,
      min(f.created_at) AS "firstSeen", max(f.created_at) AS "lastSeen", max(f.failed_id) AS "exampleId"
    FROM analytics.crm_failed_events f
    WHERE ${matchesSearch(search)} AND ${search.status === undefined ? UNSETTLED : sql.fragment`true`}
    GROUP BY f.fingerprint
    ORDER BY count(*) DESC, f.fingerprint
    LIMIT ${limit}
  `);
  return [...rows];
}

const statusCount = z.object({ status, count: z.number() });
const codeCount = z.object({ errorCode: z.string(), count: z.number() });
const organizationCount = z.object({ organizationId: z.string().nullable(), count: z.number() });

async function summary(connection: CommonQueryMethods, organizations: number): Promise<DeadLetterSummary> {
  const statuses = await connection.any(sql.type(statusCount)`
    SELECT f.status, count(*) AS count FROM analytics.crm_failed_events f GROUP BY f.status ORDER BY count(*) DESC, f.status
  `);
  const errorCodes = await connection.any(sql.type(codeCount)`
    SELECT f.error_code AS "errorCode", count(*) AS count FROM analytics.crm_failed_events f WHERE ${UNSETTLED}
    GROUP BY f.error_code ORDER BY count(*) DESC, f.error_code
  `);
  const most = await connection.any(sql.type(organizationCount)`
    SELECT f.organization_id AS "organizationId", count(*) AS count FROM analytics.crm_failed_events f WHERE ${UNSETTLED}
    GROUP BY f.organization_id ORDER BY count(*) DESC, f.organization_id LIMIT ${organizations}
  `);
  return { statuses: [...statuses], errorCodes: [...errorCodes], organizations: [...most] };
}

function onPage(search: DeadLetterSearch, { before }: Page): FragmentSqlToken {
  const page = before === null ? sql.fragment`true` : sql.fragment`f.failed_id < ${before}`;
  return sql.fragment`${matchesSearch(search)} AND ${page}`;
}

function matchesSearch({ class: failureClass, ...filter }: DeadLetterSearch): FragmentSqlToken {
  if (failureClass === undefined) return matchesFilter(filter);
  const retryable = sql.fragment`f.error_code = ANY (${sql.array(RETRYABLE_CODES, 'text')})`;
  return failureClass === 'retryable'
    ? sql.fragment`${matchesFilter(filter)} AND ${retryable}`
    : sql.fragment`${matchesFilter(filter)} AND NOT ${retryable}`;
}
