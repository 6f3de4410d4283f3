/** How a replay stands, and what it has done: from its positions, the chain and the failed events, never from memory. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { PartitionReport, ReplayReport, ReplayStanding } from '../../activities/replay-ports.ts';
import { addCounts } from '../../domain/counts.ts';
import { addFindings, type DryRunFindings, NO_FINDINGS } from '../../domain/dry-run-findings.ts';
import { NO_COUNTS, sliceCountsRow } from './chain-sums.ts';
import { isoTime } from './row-types.ts';

/** Sums of a replay's chain rows `b`. */
const COUNTS = sql.fragment`
  COALESCE(sum(b.stored), 0)::bigint AS stored, COALESCE(sum(b.skipped), 0)::bigint AS skipped,
  COALESCE(sum(b.conflicts), 0)::bigint AS conflicts, COALESCE(sum(b.changed), 0)::bigint AS changed,
  COALESCE(sum(b.filtered), 0)::bigint AS filtered, COALESCE(sum(b.failed), 0)::bigint AS failed,
  COALESCE(sum(b.dead), 0)::bigint AS dead, COALESCE(sum(b.tombstones), 0)::bigint AS tombstones,
  COALESCE(sum(b.parked), 0)::bigint AS parked, COALESCE(sum(b.absent), 0)::bigint AS absent
`;

/** Parts `t` with their positions `p`, where they have been begun; those of a dry run have none. */
const PARTS = sql.fragment`
  analytics.crm_replay_parts t
  LEFT JOIN analytics.crm_positions p ON p.scope = t.replay_id::text COLLATE "C" AND p.source_id = t.source_id
    AND p.partition = t.partition AND p.range_start = t.from_offset
`;

/** The ranges of a replay that only reads are their own positions. */
const NEXT = sql.fragment`COALESCE(p.next_offset, t.next_offset)`;

export async function standingOf(connection: CommonQueryMethods, replayId: string): Promise<ReplayStanding> {
  const row = await connection.one(sql.type(sliceCountsRow.extend({ done: z.number(), total: z.number() }))`
    WITH part AS MATERIALIZED (
      SELECT p.position_id, t.from_offset, t.to_offset, ${NEXT} AS next_offset
      FROM ${PARTS}
      WHERE t.replay_id = ${replayId}
    )
    SELECT ${COUNTS},
      (SELECT COALESCE(sum(next_offset - from_offset), 0)::bigint FROM part) AS done,
      (SELECT COALESCE(sum(to_offset - from_offset), 0)::bigint FROM part) AS total
    FROM part
    JOIN analytics.crm_batches b ON b.position_id = part.position_id AND b.kind = 'batch'
  `);
  const { done, total, ...sums } = row;
  return { done, total, counts: sums };
}

/** Failed events that a report names. */
const MOST_FAILURES = 20;

export async function reportOf(connection: CommonQueryMethods, replayId: string): Promise<ReplayReport> {
  const partitions = await partitionsOf(connection, replayId);
  const totals = partitions.map((partition) => partition.counts).reduce(addCounts, NO_COUNTS);
  const seconds = await connection.oneFirst(sql.type(z.object({ seconds: z.number() }))`
    SELECT COALESCE(extract(epoch FROM finished_at - started_at), 0)::double precision AS seconds
    FROM analytics.crm_replays WHERE replay_id = ${replayId}
  `);
  const read = partitions.reduce((sum, { from, next }) => sum + next - from, 0);
  return {
    partitions,
    totals,
    lost: partitions.reduce((sum, { lost }) => sum + lost, 0),
    failures: await failuresOf(connection, replayId),
    seconds,
    offsetsPerSecond: seconds > 0 ? Math.round(read / seconds) : 0,
    findings: await findingsOf(connection, replayId),
  };
}

async function partitionsOf(connection: CommonQueryMethods, replayId: string): Promise<PartitionReport[]> {
  const rows = await connection.any(sql.type(
    sliceCountsRow.extend({
      topic: z.string(),
      partition: z.number(),
      from: z.number(),
      to: z.number(),
      next: z.number(),
      lost: z.number(),
      jumpedOver: z.number(),
      firstTimestamp: isoTime.nullable(),
      lastTimestamp: isoTime.nullable(),
    }),
  )`
    WITH part AS MATERIALIZED (
      SELECT t.range_id, t.topic, t.partition, t.from_offset, t.to_offset, t.lost, ${NEXT} AS next_offset, p.position_id,
        p.last_timestamp, p.first_timestamp
      FROM ${PARTS}
      WHERE t.replay_id = ${replayId}
    ),
    chain AS (
      SELECT part.range_id, ${COUNTS} FROM part
      JOIN analytics.crm_batches b ON b.position_id = part.position_id AND b.kind = 'batch'
      GROUP BY part.range_id
    ),
    jump AS (
      SELECT part.range_id, sum(b.next_offset - b.from_offset)::bigint AS offsets FROM part
      JOIN analytics.crm_batches b ON b.position_id = part.position_id AND b.kind = 'retention'
      GROUP BY part.range_id
    )
    SELECT part.topic, part.partition, min(part.from_offset) AS "from", max(part.to_offset) AS "to",
      (min(part.from_offset) + sum(part.next_offset - part.from_offset))::bigint AS next, sum(part.lost)::bigint AS lost,
      COALESCE(sum(j.offsets), 0)::bigint AS "jumpedOver",
      to_timestamp(min(part.first_timestamp)::double precision / 1000) AS "firstTimestamp",
      to_timestamp(max(part.last_timestamp) FILTER (WHERE part.last_timestamp >= 0)::double precision / 1000)
        AS "lastTimestamp",
      ${COUNTS}
    FROM part
    LEFT JOIN chain b ON b.range_id = part.range_id
    LEFT JOIN jump j ON j.range_id = part.range_id
    GROUP BY part.topic, part.partition
    ORDER BY part.topic, part.partition
  `);
  return rows.map(({ topic, partition, from, to, next, lost, jumpedOver, firstTimestamp, lastTimestamp, ...sums }) => ({
    topic,
    partition,
    from,
    to,
    next,
    lost,
    jumpedOver,
    firstTimestamp,
    lastTimestamp,
    counts: sums,
  }));
}

async function failuresOf(connection: CommonQueryMethods, replayId: string): Promise<ReplayReport['failures']> {
  const rows = await connection.any(sql.type(
    z.object({
      topic: z.string(),
      partition: z.number(),
      offset: z.number(),
      failedId: z.number(),
      code: z.string(),
    }),
  )`
    SELECT topic, partition, "offset", failed_id AS "failedId", error_code AS code
    FROM analytics.crm_failed_events
    WHERE run_id = ${replayId} AND status IN ('failed', 'dead')
    ORDER BY failed_id
    LIMIT ${MOST_FAILURES}
  `);
  return [...rows];
}

async function findingsOf(connection: CommonQueryMethods, replayId: string): Promise<DryRunFindings | null> {
  const found = await connection.anyFirst(sql.type(z.object({ findings: z.custom<DryRunFindings>() }))`
    SELECT findings FROM analytics.crm_replay_parts
    WHERE replay_id = ${replayId} AND findings IS NOT NULL ORDER BY range_id
  `);
  return found.length === 0 ? null : found.reduce(addFindings, NO_FINDINGS);
}
