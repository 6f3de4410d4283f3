/**
 * What the database has of a range of one partition, as of one moment. The chain is followed step by step here, while
 * the live books let PostgreSQL compare its rows: two ways to the same answer. The events log is counted piece by piece,
 * so that no statement is long and a cancelled audit ends soon.
 */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { AuditTarget } from '../../activities/audit-ports.ts';
import type { PartitionAudit, StatusCounts } from '../../domain/audit.ts';
import { LOG_STATUSES, NO_STATUSES } from '../../domain/audit.ts';
import { type OffsetSpan, walkChain } from '../../domain/books.ts';
import { countDeliveries } from './audit-deliveries.ts';
import { CHAIN_SUMS, chainSumsRow } from './chain-sums.ts';
import { inSnapshot } from './weigh-books.ts';

const STEPS_AT_ONCE = 10_000;

/** @see AuditStore.examine */
export function examinePartition(
  connection: CommonQueryMethods,
  target: AuditTarget,
  asked: PartitionAudit['asked'],
  onProgress: (offset: number) => void,
): Promise<PartitionAudit> {
  return inSnapshot(connection, async (snapshot) => {
    const { incarnation, position, begins, firstLogged } = await outline(snapshot, target);
    const proved = await wholeBatches(snapshot, target, {
      from: Math.max(asked.from ?? 0, begins ?? 0),
      to: Math.min(asked.to ?? position, position),
    });
    const range = proved ?? { from: 0, to: 0 };
    const { breaks, jumps } = await followChain(snapshot, target.positionId, position, () => onProgress(range.from));
    const wanted = { from: asked.from ?? 0, to: asked.to ?? position };
    const isAsked = ({ from, to }: OffsetSpan) =>
      Math.min(from, to) < Math.max(range.to, wanted.to) && Math.max(from, to) > Math.min(range.from, wanted.from);
    return {
      topic: target.topic,
      incarnation,
      partition: target.partition,
      asked,
      proved,
      begins,
      position,
      firstLogged,
      breaks: breaks.filter(isAsked),
      jumps: jumps.filter(isAsked),
      chain: await sumChains(snapshot, target, range),
      failed: await countFailed(snapshot, target, range),
      parked: await countParked(snapshot, target, range),
      unread: await countUnread(snapshot, target),
      ...(await countDeliveries(snapshot, { ...target, incarnation }, range, onProgress)),
    };
  });
}

async function outline(connection: CommonQueryMethods, { positionId, topic, partition }: AuditTarget) {
  return connection.one(sql.type(
    z.object({
      incarnation: z.number(),
      position: z.number(),
      begins: z.number().nullable(),
      firstLogged: z.number().nullable(),
    }),
  )`
    SELECT s.incarnation, p.next_offset AS position,
      (
        SELECT min(b.from_offset) FROM analytics.crm_batches b
        WHERE b.position_id = p.position_id AND b.kind = 'batch'
      ) AS begins,
      (
        SELECT min(l."offset") FROM analytics.crm_events_log l
        WHERE l.topic = ${topic} COLLATE "C" AND l.partition = ${partition} AND l.topic_incarnation = s.incarnation
      ) AS "firstLogged"
    FROM analytics.crm_positions p
    JOIN analytics.crm_sources s ON s.source_id = p.source_id
    WHERE p.position_id = ${positionId}
  `);
}

/** Widens a range until no batch of any chain crosses its ends; null when no batch lies in it. */
async function wholeBatches(
  connection: CommonQueryMethods,
  { sourceId, partition }: AuditTarget,
  asked: OffsetSpan,
): Promise<OffsetSpan | null> {
  let range = asked;
  for (;;) {
    const covered = await connection.one(sql.type(z.object({ from: z.number().nullable(), to: z.number().nullable() }))`
      SELECT min(b.from_offset) AS "from", max(b.next_offset) AS "to"
      FROM analytics.crm_positions p
      JOIN analytics.crm_batches b ON b.position_id = p.position_id
      WHERE p.source_id = ${sourceId} AND p.partition = ${partition} AND b.kind = 'batch'
        AND b.from_offset < ${range.to} AND b.next_offset > ${range.from}
    `);
    const { from, to } = covered;
    if (from === null || to === null) {
      return null;
    }
    if (from >= range.from && to <= range.to) {
      return { from, to };
    }
    range = { from: Math.min(from, range.from), to: Math.max(to, range.to) };
  }
}

const stepRow = z.object({
  kind: z.enum(['batch', 'retention', 'seek']),
  epoch: z.number(),
  from: z.number(),
  next: z.number(),
});

async function followChain(
  connection: CommonQueryMethods,
  positionId: number,
  position: number,
  onProgress: () => void,
) {
  const walk = walkChain();
  let last = { epoch: -1, from: -1 };
  for (;;) {
    const steps = await connection.any(sql.type(stepRow)`
      SELECT kind, epoch, from_offset AS "from", next_offset AS next
      FROM analytics.crm_batches
      WHERE position_id = ${positionId} AND (epoch, from_offset) > (${last.epoch}::bigint, ${last.from}::bigint)
      ORDER BY epoch, from_offset
      LIMIT ${STEPS_AT_ONCE}
    `);
    for (const step of steps) {
      walk.take(step);
      last = step;
    }
    onProgress();
    if (steps.length < STEPS_AT_ONCE) {
      return walk.finish(position);
    }
  }
}

async function sumChains(connection: CommonQueryMethods, { sourceId, partition }: AuditTarget, range: OffsetSpan) {
  return connection.one(sql.type(chainSumsRow.extend({ offsets: z.number() }))`
    SELECT ${CHAIN_SUMS}, COALESCE(sum(b.next_offset - b.from_offset), 0)::bigint AS offsets
    FROM analytics.crm_positions p
    JOIN analytics.crm_batches b ON b.position_id = p.position_id
    WHERE p.source_id = ${sourceId} AND p.partition = ${partition} AND b.kind = 'batch'
      AND b.from_offset >= ${range.from} AND b.next_offset <= ${range.to}
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
