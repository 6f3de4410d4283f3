/**
 * What the database has of a range of one partition, as of one moment. The chain is followed step by step here, while
 * the live books let PostgreSQL compare its rows: two ways to the same answer. The events log is counted piece by piece,
 * so that no statement is long and a cancelled audit ends soon.
 */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { AuditTarget } from '../../activities/audit-ports.ts';
import type { PartitionAudit } from '../../domain/audit.ts';
import { type OffsetSpan, uncovered } from '../../domain/books.ts';
import { LOG_STATUSES, NO_STATUSES, type StatusCounts } from '../../domain/status-counts.ts';
import { chainsOf, followChains, readSpans, sumChains, wholeBatches } from './audit-chains.ts';
import { countDeliveries } from './audit-deliveries.ts';
import { countRetired, logWithArchives, prunedOf } from './audit-retired.ts';
import { inSnapshot } from './weigh-books.ts';

/** @see AuditStore.examine */
export function examinePartition(
  connection: CommonQueryMethods,
  target: AuditTarget,
  asked: PartitionAudit['asked'],
  onProgress: (offset: number) => void,
): Promise<PartitionAudit> {
  return inSnapshot(
    connection,
    async (snapshot) => {
      const log = await logWithArchives(snapshot);
      const { incarnation, begins, firstLogged } = await outline(snapshot, target, log);
      const source = { ...target, incarnation };
      const chains = await chainsOf(snapshot, target);
      const position = Math.max(0, ...chains.map((chain) => chain.position));
      const wanted = { from: asked.from ?? 0, to: asked.to ?? position };
      const proved = await wholeBatches(snapshot, target, {
        from: Math.max(wanted.from, begins ?? 0),
        to: Math.min(wanted.to, position),
      });
      const range = proved ?? { from: 0, to: 0 };
      const { breaks, jumps } = await followChains(snapshot, chains, () => onProgress(range.from));
      const isAsked = ({ from, to }: OffsetSpan) =>
        Math.min(from, to) < Math.max(range.to, wanted.to) && Math.max(from, to) > Math.min(range.from, wanted.from);
      const pruned = await prunedOf(snapshot, target);
      return {
        topic: target.topic,
        incarnation,
        partition: target.partition,
        asked,
        proved,
        begins,
        position,
        firstLogged,
        neverRead:
          asked.from === null
            ? []
            : uncovered(await readSpans(snapshot, target), { from: asked.from, to: Math.min(wanted.to, position) }),
        breaks: breaks.filter(isAsked),
        jumps: jumps.filter(isAsked),
        ...(await sumChains(snapshot, target, range)),
        failed: await countFailed(snapshot, target, range),
        parked: await countParked(snapshot, target, range),
        unread: await countUnread(snapshot, target),
        retired: await countRetired(snapshot, source, range),
        pruned: pruned.ids,
        ...(await countDeliveries(snapshot, { ...source, log, prunedBefore: pruned.before }, range, onProgress)),
      };
    },
    EVENT_TABLES,
  );
}

/** Retention must not take a partition away in the middle of it. */
const EVENT_TABLES = ['crm_events_log', 'crm_leads_staging', 'crm_contacts_staging', 'crm_opportunities_staging'];

async function outline(
  connection: CommonQueryMethods,
  { sourceId, topic, partition }: AuditTarget,
  log: FragmentSqlToken,
) {
  return connection.one(sql.type(
    z.object({ incarnation: z.number(), begins: z.number().nullable(), firstLogged: z.number().nullable() }),
  )`
    SELECT s.incarnation,
      (
        SELECT min(b.from_offset)
        FROM analytics.crm_positions p
        JOIN analytics.crm_batches b ON b.position_id = p.position_id
        WHERE p.source_id = s.source_id AND p.partition = ${partition} AND b.kind = 'batch'
      ) AS begins,
      (
        SELECT min(l."offset") FROM ${log} l
        WHERE l.topic = ${topic} COLLATE "C" AND l.partition = ${partition} AND l.topic_incarnation = s.incarnation
      ) AS "firstLogged"
    FROM analytics.crm_sources s
    WHERE s.source_id = ${sourceId}
  `);
}

async function countFailed(
  connection: CommonQueryMethods,
  { sourceId, partition }: AuditTarget,
  { from, to }: OffsetSpan,
): Promise<StatusCounts> {
  return statusCounts(
    await connection.any(sql.type(statusRow)`
      SELECT CASE WHEN status = 'resolved' THEN settled_as ELSE status END AS status, count(*) AS events
      FROM analytics.crm_failed_events
      WHERE source_id = ${sourceId} AND partition = ${partition} AND "offset" >= ${from} AND "offset" < ${to}
      GROUP BY 1
    `),
  );
}

async function countUnread(
  connection: CommonQueryMethods,
  { sourceId, partition }: AuditTarget,
): Promise<StatusCounts> {
  return statusCounts(
    await connection.any(sql.type(statusRow)`
      SELECT to_status AS status, sum(events)::bigint AS events
      FROM analytics.crm_moves
      WHERE source_id = ${sourceId} AND partition = ${partition} AND from_status = 'unread'
      GROUP BY 1
    `),
  );
}

async function countParked(
  connection: CommonQueryMethods,
  { sourceId, partition }: AuditTarget,
  { from, to }: OffsetSpan,
): Promise<number> {
  return connection.oneFirst(sql.type(z.object({ records: z.number() }))`
    SELECT COALESCE(sum(records), 0)::bigint AS records
    FROM analytics.crm_parked_ranges
    WHERE source_id = ${sourceId} AND partition = ${partition} AND from_offset >= ${from} AND to_offset <= ${to}
  `);
}

const statusRow = z.object({ status: z.enum(LOG_STATUSES), events: z.number() });

function statusCounts(rows: ReadonlyArray<z.infer<typeof statusRow>>): StatusCounts {
  return { ...NO_STATUSES, ...Object.fromEntries(rows.map(({ status, events }) => [status, events])) };
}
