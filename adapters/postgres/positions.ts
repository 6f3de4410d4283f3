import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { type ClaimedRange, FencedError, type Positions } from '../../activities/ports.ts';
import { guarded } from './errors.ts';

const claimedRow = z.object({
  position_id: z.number(),
  epoch: z.number(),
  source_id: z.number(),
  incarnation: z.number(),
  topic_id: z.string().nullable(),
  topic: z.string(),
  partition: z.number(),
  next_offset: z.number(),
  end_offset: z.number().nullable(),
  last_offset: z.number().nullable(),
  last_timestamp: z.number().nullable(),
  last_checksum: z.number().nullable(),
});

function toClaimed(row: z.infer<typeof claimedRow>): ClaimedRange {
  return {
    positionId: row.position_id,
    epoch: row.epoch,
    sourceId: row.source_id,
    incarnation: row.incarnation,
    topicId: row.topic_id,
    topic: row.topic,
    partition: row.partition,
    nextOffset: row.next_offset,
    endOffset: row.end_offset,
    last:
      row.last_offset === null || row.last_timestamp === null || row.last_checksum === null
        ? null
        : { offset: row.last_offset, timestamp: row.last_timestamp, checksum: row.last_checksum },
  };
}

const CLAIMED_COLUMNS = sql.fragment`
  p.position_id, p.epoch, p.source_id, s.incarnation, s.topic_id, s.topic, p.partition, p.next_offset, p.end_offset, p.last_offset,
  p.last_timestamp, p.last_checksum
`;

/** This backend's start time tells it from a later one with the same pid. */
const OWN_BACKEND_START = sql.fragment`(SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())`;

/**
 * Positions over one connection. Claims record that connection's backend, so that a successor can end it: a statement of
 * a stalled worker then can't hold the successor up.
 */
export function createPositions(connection: CommonQueryMethods): Positions {
  return {
    claim: (request) => guarded(() => claim(connection, request)),
    jump: (range, to, reason, runId) => guarded(() => jump(connection, range, to, reason, runId)),
    reincarnate: (range, as, lease) => guarded(() => reincarnate(connection, range, as, lease)),
    list: (scope) => guarded(() => list(connection, scope)),
  };
}

async function claim(
  connection: CommonQueryMethods,
  { scope, runId, owner, ranges }: Parameters<Positions['claim']>[0],
): Promise<ClaimedRange[]> {
  const topicIds = new Map(ranges.map((range) => [range.topic, range.topicId]));
  const topics = [...topicIds.keys()].sort();
  const wanted = sql.fragment`unnest(
    ${sql.array(
      ranges.map((range) => range.topic),
      'text',
    )},
    ${sql.array(
      ranges.map((range) => range.partition),
      'int4',
    )},
    ${sql.array(
      ranges.map((range) => range.rangeStart),
      'int8',
    )},
    ${sql.array(
      ranges.map((range) => range.endOffset),
      'int8',
    )},
    ${sql.array(
      ranges.map((range) => range.initial),
      'int8',
    )}
  ) AS r(topic, partition, range_start, end_offset, initial)`;
  return connection.transaction(async (transaction) => {
    await transaction.query(sql.unsafe`
      INSERT INTO analytics.crm_sources (topic, topic_id)
      SELECT topic, topic_id
      FROM unnest(${sql.array(topics, 'text')}, ${sql.array(
        topics.map((topic) => topicIds.get(topic) ?? null),
        'text',
      )}) AS t(topic, topic_id)
      WHERE NOT EXISTS (SELECT 1 FROM analytics.crm_sources s WHERE s.topic = t.topic COLLATE "C")
      ORDER BY topic
      ON CONFLICT DO NOTHING
    `);
    await transaction.query(sql.unsafe`
      INSERT INTO analytics.crm_positions (
        scope, source_id, partition, range_start, end_offset, first_offset, next_offset, run_id
      )
      SELECT ${scope}, newest.source_id, r.partition, r.range_start, r.end_offset, r.initial, r.initial, ${runId}::uuid
      FROM ${wanted}
      JOIN LATERAL (
        SELECT source_id FROM analytics.crm_sources s WHERE s.topic = r.topic COLLATE "C"
        ORDER BY incarnation DESC LIMIT 1
      ) newest ON true
      WHERE NOT EXISTS (
        SELECT 1 FROM analytics.crm_positions p
        JOIN analytics.crm_sources s ON s.source_id = p.source_id
        WHERE p.scope = ${scope} COLLATE "C" AND s.topic = r.topic COLLATE "C" AND p.partition = r.partition
          AND p.range_start = r.range_start AND NOT p.closed
      )
      ORDER BY r.topic, r.partition
      ON CONFLICT DO NOTHING
    `);
    const positionIds = await transaction.anyFirst(sql.type(z.object({ position_id: z.number() }))`
      SELECT p.position_id
      FROM analytics.crm_positions p
      JOIN analytics.crm_sources s ON s.source_id = p.source_id
      JOIN ${wanted}
        ON r.topic COLLATE "C" = s.topic AND r.partition = p.partition AND r.range_start = p.range_start
      WHERE p.scope = ${scope} COLLATE "C" AND NOT p.closed
    `);
    // Before the rows are locked below: a statement of the former owner may hold them.
    await endFormerBackends(transaction, sql.fragment`p.position_id = ANY (${sql.array(positionIds, 'int8')})`);
    const rows = await transaction.any(sql.type(claimedRow)`
      WITH held AS MATERIALIZED (
        SELECT position_id FROM analytics.crm_positions
        WHERE position_id = ANY (${sql.array(positionIds, 'int8')})
        ORDER BY position_id -- two claims that overlap wait for each other instead of deadlocking
        FOR UPDATE
      )
      UPDATE analytics.crm_positions p
      SET epoch = p.epoch + 1, owner = ${owner}, run_id = ${runId}::uuid, backend_pid = pg_backend_pid(),
          backend_start = ${OWN_BACKEND_START}, updated_at = clock_timestamp()
      FROM held, analytics.crm_sources s
      WHERE p.position_id = held.position_id AND s.source_id = p.source_id
      RETURNING ${CLAIMED_COLUMNS}
    `);
    return rows.map(toClaimed);
  });
}

/** Ends the connections that the leases of some positions name, unless it is our own. */
async function endFormerBackends(connection: CommonQueryMethods, which: FragmentSqlToken): Promise<void> {
  await connection.query(sql.unsafe`
    SELECT pg_terminate_backend(former.pid)
    FROM (
      SELECT DISTINCT a.pid
      FROM pg_stat_activity a
      JOIN analytics.crm_positions p ON p.backend_pid = a.pid AND p.backend_start = a.backend_start
      WHERE ${which} AND a.pid <> pg_backend_pid()
    ) former
  `);
}

/**
 * Lets the leases of ranges that a lane still holds name its new connection, and ends the old one.
 * @throws FencedError when another lane has taken one of them over
 */
export async function moveLeases(connection: CommonQueryMethods, held: readonly ClaimedRange[]): Promise<void> {
  const mine = sql.fragment`(p.position_id, p.epoch) IN (
    SELECT * FROM unnest(
      ${sql.array(
        held.map((range) => range.positionId),
        'int8',
      )},
      ${sql.array(
        held.map((range) => range.epoch),
        'int8',
      )}
    )
  )`;
  await guarded(async () => {
    await endFormerBackends(connection, mine);
    const moved = await connection.query(sql.unsafe`
      UPDATE analytics.crm_positions p
      SET backend_pid = pg_backend_pid(), backend_start = ${OWN_BACKEND_START}
      WHERE ${mine}
    `);
    if (moved.rowCount !== held.length) {
      throw new FencedError('another lane took a range over while this one had no connection');
    }
  });
}

async function jump(
  connection: CommonQueryMethods,
  range: ClaimedRange,
  to: number,
  reason: 'retention' | 'seek',
  runId: string,
): Promise<ClaimedRange> {
  const moved = await connection.maybeOne(sql.type(claimedRow)`
    WITH moved AS (
      UPDATE analytics.crm_positions
      SET next_offset = ${to}, epoch = epoch + 1, last_offset = NULL, last_timestamp = NULL, last_checksum = NULL,
          updated_at = clock_timestamp()
      WHERE position_id = ${range.positionId} AND epoch = ${range.epoch} AND next_offset = ${range.nextOffset}
      RETURNING *
    ),
    booked AS (
      INSERT INTO analytics.crm_batches (position_id, epoch, from_offset, next_offset, kind, run_id)
      -- Under the old epoch, whose last row this is: the new one may well reach the same offset again.
      SELECT position_id, ${range.epoch}, ${range.nextOffset}, next_offset, ${reason}, ${runId}::uuid FROM moved
    ),
    noted AS (
      INSERT INTO analytics.crm_incidents (kind, topic, partition, from_offset, to_offset, run_id)
      SELECT ${reason === 'seek' ? 'seek' : 'offsets_lost'}, ${range.topic}, ${range.partition}, ${range.nextOffset}, ${to},
        ${runId}::uuid
      FROM moved
    )
    SELECT ${CLAIMED_COLUMNS} FROM moved p JOIN analytics.crm_sources s ON s.source_id = p.source_id
  `);
  if (moved === null) {
    throw new FencedError(`${range.topic}[${range.partition}] is held by another lane`);
  }
  return toClaimed(moved);
}

async function reincarnate(
  connection: CommonQueryMethods,
  range: ClaimedRange,
  { from, topicId }: { from: number; topicId: string | null },
  { scope, runId, owner }: { scope: string; runId: string; owner: string },
): Promise<ClaimedRange> {
  return connection.transaction(async (transaction) => {
    const closed = await transaction.maybeOne(sql.type(z.object({ position_id: z.number() }))`
      UPDATE analytics.crm_positions SET closed = true, epoch = epoch + 1, updated_at = clock_timestamp()
      WHERE position_id = ${range.positionId} AND epoch = ${range.epoch}
      RETURNING position_id
    `);
    if (closed === null) {
      throw new FencedError(`${range.topic}[${range.partition}] is held by another lane`);
    }
    // Another lane may have met the new incarnation first: all partitions of a topic share it.
    await transaction.query(sql.unsafe`
      INSERT INTO analytics.crm_sources (topic, incarnation, topic_id)
      VALUES (${range.topic}, ${range.incarnation + 1}, ${topicId})
      ON CONFLICT DO NOTHING
    `);
    const opened = await transaction.one(sql.type(claimedRow)`
      WITH opened AS (
        INSERT INTO analytics.crm_positions (
          scope, source_id, partition, range_start, end_offset, first_offset, next_offset, epoch, owner, backend_pid,
          backend_start, run_id
        )
        SELECT old.scope, s.source_id, old.partition, old.range_start, old.end_offset, ${from}::bigint, ${from}::bigint, 1, ${owner},
          pg_backend_pid(), ${OWN_BACKEND_START}, ${runId}::uuid
        FROM analytics.crm_positions old
        JOIN analytics.crm_sources s ON s.topic = ${range.topic} COLLATE "C" AND s.incarnation = ${range.incarnation + 1}
        WHERE old.position_id = ${range.positionId} AND old.scope = ${scope}
        RETURNING *
      )
      SELECT ${CLAIMED_COLUMNS} FROM opened p JOIN analytics.crm_sources s ON s.source_id = p.source_id
    `);
    await transaction.query(sql.unsafe`
      INSERT INTO analytics.crm_incidents (kind, topic, partition, from_offset, to_offset, run_id)
      VALUES ('topic_made_again', ${range.topic}, ${range.partition}, ${range.nextOffset}, ${from}, ${runId}::uuid)
    `);
    return toClaimed(opened);
  });
}

async function list(connection: CommonQueryMethods, scope: string) {
  const rows = await connection.any(sql.type(
    z.object({
      topic: z.string(),
      partition: z.number(),
      next_offset: z.number(),
      owner: z.string().nullable(),
      updated_at: z.number(),
      last_timestamp: z.number().nullable(),
    }),
  )`
    SELECT s.topic, p.partition, p.next_offset, p.owner, p.updated_at, p.last_timestamp
    FROM analytics.crm_positions p
    JOIN analytics.crm_sources s ON s.source_id = p.source_id
    WHERE p.scope = ${scope} COLLATE "C" AND NOT p.closed AND p.end_offset IS NULL
    ORDER BY s.topic, p.partition
  `);
  return rows.map((row) => ({
    topic: row.topic,
    partition: row.partition,
    nextOffset: row.next_offset,
    owner: row.owner,
    updatedAt: new Date(row.updated_at).toISOString(),
    lastRecordTimestamp: row.last_timestamp,
  }));
}
