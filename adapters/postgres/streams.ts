import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { ParkedRange, Stream, StreamId, Streams } from '../../activities/stream-ports.ts';
import { guarded } from './errors.ts';

const state = z.enum(['flowing', 'schema_unknown', 'tripped', 'let_through']);

/** Streams and parked ranges over a pool or one connection. */
export function createStreams(connection: CommonQueryMethods): Streams {
  return {
    list: () => guarded(() => list(connection)),
    states: () => guarded(() => states(connection)),
    move: (stream, to, by) => guarded(() => move(connection, stream, to, by)),
    parked: (...wanted) => guarded(() => parked(connection, ...wanted)),
    settleParked: (parkedIds, as) => guarded(() => settleParked(connection, parkedIds, as)),
    discard: (stream, by) => guarded(() => discard(connection, stream, by)),
  };
}

async function list(connection: CommonQueryMethods): Promise<Stream[]> {
  const rows = await connection.any(sql.type(
    z.object({
      topic: z.string(),
      schema_id: z.number(),
      state,
      reason: z.string(),
      changed_by: z.string().nullable(),
      changed_at: z.number(),
      ranges: z.number(),
      records: z.number(),
    }),
  )`
    SELECT s.topic, s.schema_id, s.state, s.reason, s.changed_by, s.changed_at, count(r.parked_id) AS ranges,
      COALESCE(sum(r.records), 0)::bigint AS records
    FROM analytics.crm_streams s
    LEFT JOIN analytics.crm_parked_ranges r
      ON r.topic = s.topic AND r.schema_id = s.schema_id AND r.status = 'parked' AND r.organization_id IS NULL
    GROUP BY s.topic, s.schema_id
    ORDER BY s.topic, s.schema_id
  `);
  return rows.map((row) => ({
    topic: row.topic,
    schemaId: row.schema_id,
    state: row.state,
    reason: row.reason,
    changedBy: row.changed_by,
    changedAt: new Date(row.changed_at).toISOString(),
    parked: { ranges: row.ranges, records: row.records },
  }));
}

async function states(connection: CommonQueryMethods) {
  return [
    ...(await connection.any(sql.type(z.object({ topic: z.string(), schemaId: z.number(), state }))`
      SELECT topic, schema_id AS "schemaId", state FROM analytics.crm_streams WHERE state <> 'flowing'
    `)),
  ];
}

/** One statement: of two lanes that trip the breaker at once, one moves the stream and notes the incident. */
async function move(
  connection: CommonQueryMethods,
  { topic, schemaId }: StreamId,
  to: Stream['state'],
  { from, reason, who }: Parameters<Streams['move']>[2],
): Promise<boolean> {
  const moved = await connection.maybeOne(sql.type(z.object({ topic: z.string() }))`
    WITH moved AS (
      INSERT INTO analytics.crm_streams AS s (topic, schema_id, state, reason, changed_by)
      SELECT ${topic}, ${schemaId}, ${to}, ${reason}, ${who}
      WHERE 'flowing' = ANY (${sql.array([...from], 'text')})
        OR EXISTS (SELECT 1 FROM analytics.crm_streams k WHERE k.topic = ${topic} COLLATE "C" AND k.schema_id = ${schemaId})
      ON CONFLICT (topic, schema_id) DO UPDATE
        SET state = excluded.state, reason = excluded.reason, changed_by = excluded.changed_by,
            changed_at = clock_timestamp()
        WHERE s.state = ANY (${sql.array([...from], 'text')}) AND s.state <> excluded.state
      RETURNING s.topic
    ),
    noted AS (
      INSERT INTO analytics.crm_incidents (kind, topic, details)
      SELECT 'stream_' || ${to}, topic, jsonb_build_object('schemaId', ${schemaId}::integer, 'reason', ${reason}::text)
      FROM moved
    )
    SELECT topic FROM moved
  `);
  return moved !== null;
}

export const parkedRangeRow = z.object({
  parkedId: z.number(),
  topic: z.string(),
  partition: z.number(),
  schemaId: z.number(),
  reason: z.enum(['schema_unknown', 'tripped', 'over_quota']),
  sourceId: z.number(),
  from: z.number(),
  to: z.number(),
  records: z.number(),
});

export const parkedRangeColumns = sql.fragment`
  parked_id AS "parkedId", topic, partition, schema_id AS "schemaId", reason, source_id AS "sourceId",
  from_offset AS "from", to_offset AS "to", records
`;

async function parked(
  connection: CommonQueryMethods,
  ...[{ topic, schemaId }, limit, exceptRun]: Parameters<Streams['parked']>
) {
  const rows = await connection.any(sql.type(parkedRangeRow)`
    SELECT ${parkedRangeColumns}
    FROM analytics.crm_parked_ranges
    WHERE topic = ${topic} COLLATE "C" AND schema_id = ${schemaId} AND status = 'parked' AND organization_id IS NULL
      AND (${exceptRun ?? null}::uuid IS NULL OR run_id <> ${exceptRun ?? null}::uuid)
    ORDER BY partition, from_offset, parked_id
    LIMIT ${limit}
  `);
  return [...rows] satisfies ParkedRange[];
}

async function settleParked(
  connection: CommonQueryMethods,
  parkedIds: readonly number[],
  as: 'replayed' | 'discarded',
): Promise<void> {
  await connection.query(sql.unsafe`
    UPDATE analytics.crm_parked_ranges SET status = ${as}, settled_at = clock_timestamp()
    WHERE parked_id = ANY (${sql.array([...parkedIds], 'int8')}) AND status = 'parked'
  `);
}

function discard(
  connection: CommonQueryMethods,
  { topic, schemaId }: StreamId,
  { reason, who }: { reason: string; who: string },
): Promise<{ ranges: number; records: number }> {
  return connection.one(sql.type(z.object({ ranges: z.number(), records: z.number() }))`
    WITH discarded AS (
      UPDATE analytics.crm_parked_ranges SET status = 'discarded', settled_by = ${who}, settled_at = clock_timestamp()
      WHERE topic = ${topic} COLLATE "C" AND schema_id = ${schemaId} AND status = 'parked' AND organization_id IS NULL
      RETURNING records
    ),
    total AS (
      SELECT count(*) AS ranges, COALESCE(sum(records), 0)::bigint AS records FROM discarded
    ),
    noted AS (
      INSERT INTO analytics.crm_incidents (kind, topic, details)
      SELECT 'parked_discarded', ${topic}, jsonb_build_object(
        'schemaId', ${schemaId}::integer, 'ranges', ranges, 'records', records, 'reason', ${reason}::text, 'by', ${who}::text
      )
      FROM total WHERE ranges > 0
    )
    SELECT ranges, records FROM total
  `);
}
