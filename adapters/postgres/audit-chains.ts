/** What the chains say of a range of one source's partition, each followed step by step. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { AuditTarget } from '../../activities/audit-ports.ts';
import type { PartitionAudit } from '../../domain/audit.ts';
import { type ChainBreak, type ChainJump, type OffsetSpan, walkChain } from '../../domain/books.ts';
import { CHAIN_SUMS, chainSumsRow } from './chain-sums.ts';

const STEPS_AT_ONCE = 10_000;

interface AuditedChain {
  positionId: number;
  /** Where it begins; null where that is not known. */
  start: number | null;
  position: number;
}

/** The chain of live reading; of what is only ever read in ranges, such as a file, those of all its ranges. */
export async function chainsOf(
  connection: CommonQueryMethods,
  { positionId, sourceId, partition }: AuditTarget,
): Promise<readonly AuditedChain[]> {
  return connection.any(sql.type(
    z.object({ positionId: z.number(), start: z.number().nullable(), position: z.number() }),
  )`
    SELECT p.position_id AS "positionId", p.first_offset AS start, p.next_offset AS position
    FROM analytics.crm_positions p
    WHERE ${
      positionId === null
        ? sql.fragment`p.source_id = ${sourceId} AND p.partition = ${partition}`
        : sql.fragment`p.position_id = ${positionId}`
    }
    ORDER BY p.range_start, p.position_id
  `);
}

/** Widens a range until no batch of any chain crosses its ends; null when no batch lies in it. */
export async function wholeBatches(
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

/** What each chain read that accounts for every record: all but replays, which take what they are asked for. */
export async function readSpans(
  connection: CommonQueryMethods,
  { sourceId, partition }: AuditTarget,
): Promise<OffsetSpan[]> {
  const spans = await connection.any(sql.type(z.object({ from: z.number(), to: z.number() }))`
    SELECT min(b.from_offset) AS "from", p.next_offset AS "to"
    FROM analytics.crm_positions p
    JOIN analytics.crm_runs r ON r.run_id = p.run_id
    JOIN analytics.crm_batches b ON b.position_id = p.position_id
    LEFT JOIN analytics.crm_replays a ON a.replay_id = p.run_id
    WHERE p.source_id = ${sourceId} AND p.partition = ${partition} AND b.kind = 'batch'
      AND r.kind <> 'replay' AND a.filter IS NULL
    GROUP BY p.position_id
  `);
  return [...spans];
}

const stepRow = z.object({
  kind: z.enum(['batch', 'retention', 'seek']),
  epoch: z.number(),
  from: z.number(),
  next: z.number(),
});

export async function followChains(
  connection: CommonQueryMethods,
  chains: readonly AuditedChain[],
  onProgress: () => void,
): Promise<{ breaks: ChainBreak[]; jumps: ChainJump[] }> {
  const found: { breaks: ChainBreak[]; jumps: ChainJump[] } = { breaks: [], jumps: [] };
  for (const chain of chains) {
    const { breaks, jumps } = await followChain(connection, chain, onProgress);
    found.breaks.push(...breaks);
    found.jumps.push(...jumps);
  }
  return found;
}

async function followChain(
  connection: CommonQueryMethods,
  { positionId, start, position }: AuditedChain,
  onProgress: () => void,
) {
  const walk = walkChain(start);
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

/** Replays apart: they log only what they changed. */
export async function sumChains(
  connection: CommonQueryMethods,
  { sourceId, partition }: AuditTarget,
  range: OffsetSpan,
): Promise<Pick<PartitionAudit, 'chain' | 'replays'>> {
  const sum = (isReplay: boolean) =>
    connection.one(sql.type(chainSumsRow.extend({ offsets: z.number() }))`
      SELECT ${CHAIN_SUMS}, COALESCE(sum(b.next_offset - b.from_offset), 0)::bigint AS offsets
      FROM analytics.crm_positions p
      JOIN analytics.crm_runs r ON r.run_id = p.run_id AND (r.kind = 'replay') = ${isReplay}
      JOIN analytics.crm_batches b ON b.position_id = p.position_id
      WHERE p.source_id = ${sourceId} AND p.partition = ${partition} AND b.kind = 'batch'
        AND b.from_offset >= ${range.from} AND b.next_offset <= ${range.to}
    `);
  return { chain: await sum(false), replays: await sum(true) };
}
