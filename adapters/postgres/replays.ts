/** Requests to read ranges again or for the first time: what was asked for, how it was divided, and how it went. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { FileReading, OpenedFile } from '../../activities/file-ports.ts';
import type { LaneStore } from '../../activities/ports.ts';
import type {
  Replay,
  ReplayRange,
  ReplayReport,
  ReplaySelection,
  Replays,
  TouchedRange,
} from '../../activities/replay-ports.ts';
import type { EventFilter } from '../../domain/event-filter.ts';
import { bigints, ints, texts } from './column-fragments.ts';
import { guarded } from './errors.ts';
import { reportOf, standingOf } from './replay-report.ts';
import { isoTime } from './row-types.ts';
import { createRuns } from './runs.ts';

/** Selection, filter and report were checked when they were written, and nobody else writes them. */
const replayRow = z.object({
  replayId: z.string(),
  kind: z.enum(['replay', 'backfill']),
  source: z.enum(['kafka', 'files']),
  mode: z.enum(['ingest', 'missing', 'restore', 'overwrite', 'dry-run']),
  selection: z.custom<ReplaySelection>(),
  filter: z.custom<EventFilter | null>(),
  lanes: z.number(),
  ratePerSecond: z.number().nullable(),
  status: z.enum(['planning', 'running', 'paused', 'finished', 'cancelled', 'failed']),
  reason: z.string().nullable(),
  total: z.number(),
  lost: z.number(),
  report: z.custom<ReplayReport | null>(),
  requestedBy: z.string(),
  requestedAt: isoTime,
  startedAt: isoTime.nullable(),
  finishedAt: isoTime.nullable(),
});

const COLUMNS = sql.fragment`
  r.replay_id AS "replayId", r.kind, r.source, r.mode, r.selection, r.filter, r.lanes, r.rate_per_second AS "ratePerSecond",
  r.status, r.reason, r.total, r.lost, r.report, r.requested_by AS "requestedBy", r.requested_at AS "requestedAt",
  r.started_at AS "startedAt", r.finished_at AS "finishedAt"
`;

/** @param openDryLane see Replays.openDryLane */
export function createReplays(
  connection: CommonQueryMethods,
  openDryLane: (replayId: string) => Promise<LaneStore>,
): Replays {
  return {
    create: (request) => guarded(() => create(connection, request)),
    get: (replayId) => guarded(() => get(connection, replayId)),
    list: (most) => guarded(() => list(connection, most)),
    divide: (...division) => guarded(() => divide(connection, ...division)),
    part: (replayId, part) => guarded(() => partOf(connection, replayId, part)),
    explain: (replayId, reason) =>
      guarded(async () => {
        await connection.query(sql.unsafe`
          UPDATE analytics.crm_replays SET reason = ${reason} WHERE replay_id = ${replayId} AND finished_at IS NULL
        `);
      }),
    setSpeed: (replayId, { lanes, ratePerSecond }) =>
      guarded(async () => {
        await connection.query(sql.unsafe`
          UPDATE analytics.crm_replays SET lanes = ${lanes}, rate_per_second = ${ratePerSecond}
          WHERE replay_id = ${replayId} AND finished_at IS NULL
        `);
      }),
    move: (...step) => guarded(() => move(connection, ...step)),
    standing: (replayId) => guarded(() => standingOf(connection, replayId)),
    touched: (runId) => guarded(() => touched(connection, runId)),
    usualSpeed: () => guarded(() => usualSpeed(connection)),
    openDryLane,
  };
}

function create(connection: CommonQueryMethods, request: Parameters<Replays['create']>[0]): Promise<Replay> {
  const { replayId, kind, source, mode, selection, filter, lanes, ratePerSecond, requestedBy } = request;
  return connection.one(sql.type(replayRow)`
    INSERT INTO analytics.crm_replays AS r (
      replay_id, kind, source, mode, selection, filter, lanes, rate_per_second, status, requested_by
    )
    VALUES (
      ${replayId}, ${kind}, ${source}, ${mode}, ${JSON.stringify(selection)}::jsonb,
      ${filter === null ? null : JSON.stringify(filter)}::jsonb, ${lanes}, ${ratePerSecond}, 'planning', ${requestedBy}
    )
    RETURNING ${COLUMNS}
  `);
}

function get(connection: CommonQueryMethods, replayId: string): Promise<Replay | null> {
  return connection.maybeOne(sql.type(replayRow)`
    SELECT ${COLUMNS} FROM analytics.crm_replays r WHERE r.replay_id = ${replayId}
  `);
}

async function list(connection: CommonQueryMethods, most: number): Promise<Replay[]> {
  const rows = await connection.any(sql.type(replayRow)`
    SELECT ${COLUMNS} FROM analytics.crm_replays r ORDER BY r.requested_at DESC, r.replay_id LIMIT ${most}
  `);
  return [...rows];
}

/** All of it in one transaction, so that a plan is there or is not. */
async function divide(
  connection: CommonQueryMethods,
  ...[replayId, parts, topicIds]: Parameters<Replays['divide']>
): Promise<number> {
  return connection.transaction(async (transaction) => {
    const waits = await transaction.exists(sql.unsafe`
      SELECT FROM analytics.crm_replays WHERE replay_id = ${replayId} AND status = 'planning' FOR UPDATE
    `);
    if (!waits) {
      return transaction.oneFirst(sql.type(z.object({ parts: z.number() }))`
        SELECT count(DISTINCT part) AS parts FROM analytics.crm_replay_parts WHERE replay_id = ${replayId}
      `);
    }
    const sources = await sourcesOf(transaction, topicIds);
    const ranges = parts.flatMap((part, number) => part.map((range) => ({ ...range, part: number })));
    await transaction.query(sql.unsafe`DELETE FROM analytics.crm_replay_parts WHERE replay_id = ${replayId}`);
    await transaction.query(sql.unsafe`
      INSERT INTO analytics.crm_replay_parts (
        replay_id, part, source_id, topic, partition, from_offset, to_offset, lost, file, next_offset
      )
      SELECT ${replayId}, p.part, p.source_id, p.topic, p.partition, p.from_offset, p.to_offset, p.lost, p.file::jsonb,
        p.from_offset
      FROM unnest(
        ${ints(ranges.map(({ part }) => part))}, ${ints(ranges.map(({ topic }) => sources.get(topic) ?? null))},
        ${texts(ranges.map(({ topic }) => topic))}, ${ints(ranges.map(({ partition }) => partition))},
        ${bigints(ranges.map(({ from }) => from))}, ${bigints(ranges.map(({ to }) => to))},
        ${bigints(ranges.map(({ lost }) => lost))},
        ${texts(ranges.map(({ file }) => (file === null ? null : JSON.stringify(file))))}
      ) AS p(part, source_id, topic, partition, from_offset, to_offset, lost, file)
    `);
    await transaction.query(sql.unsafe`
      UPDATE analytics.crm_replays r
      SET total = p.total, lost = p.lost
      FROM (
        SELECT COALESCE(sum(to_offset - from_offset), 0)::bigint AS total, COALESCE(sum(lost), 0)::bigint AS lost
        FROM analytics.crm_replay_parts WHERE replay_id = ${replayId}
      ) p
      WHERE r.replay_id = ${replayId}
    `);
    return parts.length;
  });
}

/** The sources of the topics; one that nobody has read yet, or another version of a file, is made known. */
async function sourcesOf(
  connection: CommonQueryMethods,
  topicIds: ReadonlyMap<string, string | null>,
): Promise<Map<string, number>> {
  const topics = [...topicIds.keys()].sort();
  const wanted = sql.fragment`
    unnest(${texts(topics)}, ${texts(topics.map((topic) => topicIds.get(topic) ?? null))}) AS t(topic, topic_id)
  `;
  const newest = sql.fragment`
    LEFT JOIN LATERAL (
      SELECT s.source_id, s.incarnation, s.topic_id FROM analytics.crm_sources s WHERE s.topic = t.topic COLLATE "C"
      ORDER BY s.incarnation DESC LIMIT 1
    ) s ON true
  `;
  // A lane makes the next incarnation of a topic of Kafka, by its own policy; that of a file is another file.
  await connection.query(sql.unsafe`
    INSERT INTO analytics.crm_sources (topic, incarnation, topic_id)
    SELECT t.topic, COALESCE(s.incarnation, 0) + 1, t.topic_id
    FROM ${wanted}
    ${newest}
    WHERE s.source_id IS NULL OR (t.topic LIKE 'file:%' AND s.topic_id IS DISTINCT FROM t.topic_id)
    ORDER BY t.topic
    ON CONFLICT DO NOTHING
  `);
  const rows = await connection.any(sql.type(z.object({ topic: z.string(), source_id: z.number() }))`
    SELECT t.topic, s.source_id FROM ${wanted} ${newest}
  `);
  return new Map(rows.map(({ topic, source_id }) => [topic, source_id]));
}

const rangeRow = z.object({
  topic: z.string(),
  partition: z.number(),
  sourceId: z.number(),
  from: z.number(),
  to: z.number(),
  lost: z.number(),
  file: z.custom<(OpenedFile & { reading: FileReading }) | null>(),
});

async function partOf(connection: CommonQueryMethods, replayId: string, part: number): Promise<ReplayRange[]> {
  const rows = await connection.any(sql.type(rangeRow)`
    SELECT topic, partition, source_id AS "sourceId", from_offset AS "from", to_offset AS "to", lost, file
    FROM analytics.crm_replay_parts
    WHERE replay_id = ${replayId} AND part = ${part}
    ORDER BY topic, partition
  `);
  return [...rows];
}

async function move(
  connection: CommonQueryMethods,
  ...[replayId, to, reason]: Parameters<Replays['move']>
): Promise<void> {
  const ends = to !== 'running' && to !== 'paused';
  await connection.transaction(async (transaction) => {
    const { rowCount } = await transaction.query(sql.unsafe`
      UPDATE analytics.crm_replays
      SET status = ${to}, reason = COALESCE(reason, ${reason}),
          started_at = CASE WHEN ${to} = 'running' THEN COALESCE(started_at, clock_timestamp()) ELSE started_at END,
          finished_at = CASE WHEN ${ends} THEN clock_timestamp() END
      WHERE replay_id = ${replayId} AND status IN ('planning', 'running', 'paused')
    `);
    if (rowCount === 1 && ends) {
      await createRuns(transaction).finish(replayId, to === 'failed' ? 'failed' : 'stopped');
      const report = await reportOf(transaction, replayId);
      await transaction.query(sql.unsafe`
        UPDATE analytics.crm_replays SET report = ${JSON.stringify(report)}::jsonb WHERE replay_id = ${replayId}
      `);
    }
  });
}

async function touched(connection: CommonQueryMethods, runId: string): Promise<TouchedRange[]> {
  const rows = await connection.any(sql.type(
    z.object({
      topic: z.string(),
      partition: z.number(),
      sourceId: z.number(),
      topicId: z.string().nullable(),
      replaced: z.boolean(),
      from: z.number(),
      to: z.number(),
    }),
  )`
    WITH read AS (
      SELECT p.source_id, p.partition, b.from_offset, b.next_offset,
        max(b.next_offset) OVER (
          PARTITION BY p.source_id, p.partition ORDER BY b.from_offset, b.next_offset
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached
      FROM analytics.crm_batches b
      JOIN analytics.crm_positions p ON p.position_id = b.position_id
      WHERE b.run_id = ${runId} AND b.kind = 'batch'
    ),
    island AS (
      SELECT *, count(*) FILTER (WHERE reached IS NULL OR from_offset > reached) OVER (
        PARTITION BY source_id, partition ORDER BY from_offset, next_offset
      ) AS nr
      FROM read
    )
    SELECT s.topic, i.partition, i.source_id AS "sourceId", s.topic_id AS "topicId",
      EXISTS (
        SELECT FROM analytics.crm_sources n WHERE n.topic = s.topic AND n.incarnation > s.incarnation
      ) AS replaced,
      min(i.from_offset) AS "from", max(i.next_offset) AS "to"
    FROM island i
    JOIN analytics.crm_sources s ON s.source_id = i.source_id
    GROUP BY s.topic, s.incarnation, s.topic_id, i.source_id, i.partition, i.nr
    ORDER BY s.topic, i.partition, "from"
  `);
  return [...rows];
}

async function usualSpeed(connection: CommonQueryMethods): Promise<number | null> {
  return connection.oneFirst(sql.type(z.object({ speed: z.number().nullable() }))`
    SELECT avg(total / greatest(1, extract(epoch FROM finished_at - started_at)))::double precision AS speed
    FROM (
      SELECT total, started_at, finished_at FROM analytics.crm_replays
      WHERE status = 'finished' AND total > 0 AND rate_per_second IS NULL
      ORDER BY finished_at DESC LIMIT 5
    ) last
  `);
}
