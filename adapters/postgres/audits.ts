/** Audits as rows: requests, what was found so far, and signed reports. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Audit, AuditRequests, AuditStore, AuditSummary, AuditTarget } from '../../activities/audit-ports.ts';
import type { AuditReport, PartitionFindings } from '../../domain/audit.ts';
import { examinePartition } from './audit.ts';
import { guarded } from './errors.ts';
import { identitiesWithLedger } from './weigh-books.ts';

/** What the API does with audits. */
export function createAuditRequests(connection: CommonQueryMethods): AuditRequests {
  return {
    create: ({ auditId, request, requestedBy }) =>
      guarded(async () => {
        await connection.query(sql.unsafe`
          INSERT INTO analytics.crm_audits (audit_id, request, requested_by)
          VALUES (${auditId}::uuid, ${JSON.stringify(request)}::jsonb, ${requestedBy})
        `);
      }),
    fail: (auditId) => guarded(() => fail(connection, auditId)),
    list: (limit) => guarded(() => list(connection, limit)),
    find: (auditId) => guarded(() => find(connection, auditId)),
  };
}

/** What the workflow does with audits. */
export function createAuditStore(connection: CommonQueryMethods): AuditStore {
  return {
    find: (auditId) => guarded(() => find(connection, auditId)),
    fail: (auditId) => guarded(() => fail(connection, auditId)),
    targets: (consumerGroup, request) => guarded(() => targets(connection, consumerGroup, request)),
    examine: (target, asked, onProgress) => examinePartition(connection, target, asked, onProgress),
    booked: (target, range) => guarded(() => booked(connection, target, range)),
    firstBatchFrom: (target, offset) => guarded(() => firstBatchFrom(connection, target, offset)),
    keep: (auditId, findings) => guarded(() => keep(connection, auditId, findings)),
    kept: (auditId) => guarded(() => kept(connection, auditId)),
    identities: () => identitiesWithLedger(connection),
    finish: (auditId, report, signature) => guarded(() => finish(connection, auditId, report, signature)),
  };
}

const requestShape = z.object({
  topic: z.string().optional(),
  partition: z.number().optional(),
  from: z.number().optional(),
  to: z.number().optional(),
  recount: z.boolean(),
});

const summaryRow = z.object({
  audit_id: z.string(),
  request: requestShape,
  status: z.enum(['running', 'finished', 'failed']),
  requested_by: z.string(),
  requested_at: z.number(),
  finished_at: z.number().nullable(),
});

const SUMMARY = sql.fragment`audit_id, request, status, requested_by, requested_at, finished_at`;

function toSummary(row: z.infer<typeof summaryRow>): AuditSummary {
  return {
    auditId: row.audit_id,
    request: row.request,
    status: row.status,
    requestedBy: row.requested_by,
    requestedAt: new Date(row.requested_at).toISOString(),
    finishedAt: row.finished_at === null ? null : new Date(row.finished_at).toISOString(),
  };
}

async function list(connection: CommonQueryMethods, limit: number): Promise<AuditSummary[]> {
  const rows = await connection.any(sql.type(summaryRow)`
    SELECT ${SUMMARY} FROM analytics.crm_audits ORDER BY requested_at DESC, audit_id LIMIT ${limit}
  `);
  return rows.map(toSummary);
}

/** Written by `finish` alone, whose type it has. */
const reportShape = z.custom<AuditReport>((value) => typeof value === 'object' && value !== null);

async function find(connection: CommonQueryMethods, auditId: string): Promise<Audit | null> {
  const row = await connection.maybeOne(sql.type(
    summaryRow.extend({ report: reportShape.nullable(), signature: z.string().nullable() }),
  )`
    SELECT ${SUMMARY}, CASE WHEN status = 'finished' THEN report END AS report, signature
    FROM analytics.crm_audits WHERE audit_id = ${auditId}::uuid
  `);
  return row === null ? null : { ...toSummary(row), report: row.report, signature: row.signature };
}

async function fail(connection: CommonQueryMethods, auditId: string): Promise<void> {
  await connection.query(sql.unsafe`
    UPDATE analytics.crm_audits SET status = 'failed', report = NULL, finished_at = clock_timestamp()
    WHERE audit_id = ${auditId}::uuid AND status = 'running'
  `);
}

async function targets(
  connection: CommonQueryMethods,
  consumerGroup: string,
  { topic = null, partition = null }: { topic?: string | null | undefined; partition?: number | null | undefined },
): Promise<AuditTarget[]> {
  const rows = await connection.any(sql.type(
    z.object({ topic: z.string(), partition: z.number(), sourceId: z.number(), positionId: z.number().nullable() }),
  )`
    SELECT s.topic, p.partition, s.source_id AS "sourceId", p.position_id AS "positionId"
    FROM analytics.crm_positions p
    JOIN analytics.crm_sources s ON s.source_id = p.source_id
    WHERE p.scope = ${consumerGroup} COLLATE "C" AND p.end_offset IS NULL AND NOT p.closed
      AND (${topic}::text IS NULL OR s.topic = ${topic}::text COLLATE "C")
      AND (${partition}::int IS NULL OR p.partition = ${partition}::int)
    UNION
    SELECT s.topic, p.partition, s.source_id, NULL::bigint
    FROM analytics.crm_sources s
    JOIN analytics.crm_positions p ON p.source_id = s.source_id
    JOIN analytics.crm_runs r ON r.run_id = p.run_id
    WHERE s.topic LIKE 'file:%' AND s.topic = ${topic}::text COLLATE "C" AND r.scope = ${consumerGroup} COLLATE "C"
      AND (${partition}::int IS NULL OR p.partition = ${partition}::int)
    ORDER BY topic, partition
  `);
  return [...rows];
}

async function booked(
  connection: CommonQueryMethods,
  { positionId }: AuditTarget,
  range: { from: number; to: number },
) {
  return connection.one(sql.type(z.object({ records: z.number(), offsets: z.number() }))`
    SELECT COALESCE(sum(records), 0)::bigint AS records, COALESCE(sum(next_offset - from_offset), 0)::bigint AS offsets
    FROM analytics.crm_batches
    WHERE position_id = ${positionId} AND kind = 'batch' AND from_offset >= ${range.from} AND next_offset <= ${range.to}
  `);
}

async function firstBatchFrom(
  connection: CommonQueryMethods,
  { positionId }: AuditTarget,
  offset: number,
): Promise<number | null> {
  return connection.oneFirst(sql.type(z.object({ from: z.number().nullable() }))`
    SELECT min(from_offset) AS "from" FROM analytics.crm_batches
    WHERE position_id = ${positionId} AND kind = 'batch' AND from_offset >= ${offset}
  `);
}

async function keep(connection: CommonQueryMethods, auditId: string, findings: PartitionFindings): Promise<void> {
  const key = `${findings.topic}/${findings.partition}`;
  await connection.query(sql.unsafe`
    UPDATE analytics.crm_audits
    SET report = COALESCE(report, '{}') || jsonb_build_object(${key}::text, ${JSON.stringify(findings)}::jsonb)
    WHERE audit_id = ${auditId}::uuid AND status = 'running'
  `);
}

async function kept(connection: CommonQueryMethods, auditId: string): Promise<PartitionFindings[]> {
  const shape = z.custom<PartitionFindings>((value) => typeof value === 'object' && value !== null);
  const rows = await connection.anyFirst(sql.type(z.object({ findings: shape }))`
    SELECT part.findings
    FROM analytics.crm_audits, jsonb_each(COALESCE(report, '{}')) AS part(key, findings)
    WHERE audit_id = ${auditId}::uuid AND status = 'running'
    ORDER BY part.findings ->> 'topic' COLLATE "C", (part.findings ->> 'partition')::int
  `);
  return [...rows];
}

async function finish(
  connection: CommonQueryMethods,
  auditId: string,
  report: AuditReport,
  signature: string | null,
): Promise<void> {
  await connection.query(sql.unsafe`
    UPDATE analytics.crm_audits
    SET status = 'finished', report = ${JSON.stringify(report)}::jsonb, signature = ${signature},
        finished_at = clock_timestamp()
    WHERE audit_id = ${auditId}::uuid AND status = 'running'
  `);
}
