/** The books as a person reads them: each partition, with what moved, jumped and waits. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Books, LocatedJump, PartitionBooks } from '../../activities/books-ports.ts';
import type { LocatedBreak } from '../../domain/books.ts';
import { type Chain, inSnapshot, type SourceMove, weigh } from './weigh-books.ts';

const MAX_JUMPS = 100;

/** @see BooksReader.read */
export function readBooks(connection: CommonQueryMethods, scope: string): Promise<Books> {
  return inSnapshot(connection, async (snapshot) => {
    const { chains, breaks, moves, identities } = await weigh(snapshot);
    return {
      partitions: chains
        .filter((chain) => chain.scope === scope && chain.endOffset === null)
        .map((chain) => partitionBooks(chain, breaks, moves)),
      breaks,
      jumps: await listJumps(snapshot, scope),
      parked: await listParked(snapshot),
      identities,
    };
  });
}

function partitionBooks(chain: Chain, breaks: readonly LocatedBreak[], moves: readonly SourceMove[]): PartitionBooks {
  const { scope, sourceId, endOffset: _, ...books } = chain;
  const { topic, incarnation, partition } = books;
  return {
    ...books,
    breaks: breaks.filter(
      (at) => at.scope === scope && at.topic === topic && at.incarnation === incarnation && at.partition === partition,
    ).length,
    moves: moves
      .filter((move) => move.sourceId === sourceId && move.partition === partition)
      .map(({ cause, from, to, events }) => ({ cause, from, to, events })),
  };
}

async function listJumps(connection: CommonQueryMethods, scope: string): Promise<LocatedJump[]> {
  const rows = await connection.any(sql.type(
    z.object({
      topic: z.string(),
      incarnation: z.number(),
      partition: z.number(),
      kind: z.enum(['retention', 'seek']),
      from: z.number(),
      to: z.number(),
      at: z.number(),
    }),
  )`
    SELECT s.topic, s.incarnation, p.partition, b.kind, b.from_offset AS "from", b.next_offset AS "to",
      b.committed_at AS at
    FROM analytics.crm_batches b
    JOIN analytics.crm_positions p ON p.position_id = b.position_id
    JOIN analytics.crm_sources s ON s.source_id = p.source_id
    WHERE b.kind <> 'batch' AND p.scope = ${scope} COLLATE "C"
    ORDER BY b.committed_at DESC
    LIMIT ${MAX_JUMPS}
  `);
  return rows.map(({ at, ...jump }) => ({ ...jump, at: new Date(at).toISOString() }));
}

async function listParked(connection: CommonQueryMethods): Promise<Books['parked']> {
  const rows = await connection.any(sql.type(
    z.object({
      topic: z.string(),
      schemaId: z.number(),
      reason: z.enum(['schema_unknown', 'tripped', 'over_quota']),
      ranges: z.number(),
      records: z.number(),
    }),
  )`
    SELECT topic, schema_id AS "schemaId", reason, count(*) AS ranges, sum(records)::bigint AS records
    FROM analytics.crm_parked_ranges
    WHERE status = 'parked'
    GROUP BY topic, schema_id, reason
    ORDER BY topic, schema_id, reason
  `);
  return [...rows];
}
