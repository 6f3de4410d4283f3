/** Requests to redrive or discard many failed events: what was asked for, who decided, and how it went. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Matched, Redrive, RedriveMove, Redrives } from '../../activities/redrive-ports.ts';
import type { FailedFilter } from '../../domain/failed-filter.ts';
import type { FixRule } from '../../domain/fix-rule.ts';
import { discardEvents } from './discard.ts';
import { guarded } from './errors.ts';
import { matchesFilter } from './failed-filter.ts';
import { knownEvents, outcomeOf, redrivePage } from './redrive-pages.ts';
import { isoTime } from './row-types.ts';

/** The filter and the rule were checked when they were asked for, and nobody else writes them. */
const redriveRow = z.object({
  redriveId: z.string(),
  action: z.enum(['redrive', 'discard']),
  filter: z.custom<FailedFilter>(),
  fix: z.custom<FixRule | null>(),
  reason: z.string().nullable(),
  force: z.boolean(),
  ratePerSecond: z.number(),
  status: z.enum(['awaiting_approval', 'running', 'paused', 'finished', 'cancelled', 'rejected', 'failed']),
  lastFailedId: z.number(),
  total: z.number(),
  counts: z.object({
    processed: z.number(),
    skipped: z.number(),
    filtered: z.number(),
    failed: z.number(),
    dead: z.number(),
    discarded: z.number(),
    leftOut: z.number(),
  }),
  requestedBy: z.string(),
  requestedAt: isoTime,
  decidedBy: z.string().nullable(),
  decidedAt: isoTime.nullable(),
  finishedAt: isoTime.nullable(),
});

const COLUMNS = sql.fragment`
  r.redrive_id AS "redriveId", r.action, r.filter, r.fix, r.reason, r.force, r.rate_per_second AS "ratePerSecond", r.status,
  r.last_failed_id AS "lastFailedId", r.total,
  jsonb_build_object(
    'processed', r.processed, 'skipped', r.skipped, 'filtered', r.filtered, 'failed', r.failed, 'dead', r.dead,
    'discarded', r.discarded, 'leftOut', r.left_out
  ) AS counts,
  r.requested_by AS "requestedBy", r.requested_at AS "requestedAt", r.decided_by AS "decidedBy",
  r.decided_at AS "decidedAt", r.finished_at AS "finishedAt"
`;

export function createRedrives(connection: CommonQueryMethods): Redrives {
  return {
    match: (filter, upTo) => guarded(() => match(connection, filter, upTo)),
    create: (...request) => guarded(() => create(connection, ...request)),
    get: (redriveId) => guarded(() => get(connection, redriveId)),
    list: (most) => guarded(() => list(connection, most)),
    decide: (...decision) => guarded(() => decide(connection, ...decision)),
    move: (redriveId, to) => guarded(() => move(connection, redriveId, to)),
    page: (...page) => guarded(() => redrivePage(connection, ...page)),
    discard: ({ redriveId, reason, requestedBy: by }, failedIds) =>
      guarded(() => discardEvents(connection, { failedIds, reason: reason ?? '', by, redriveId, runId: redriveId })),
    outcome: (redriveId, failedId) => guarded(() => outcomeOf(connection, redriveId, failedId)),
    known: (eventIds) => guarded(() => knownEvents(connection, eventIds)),
  };
}

function match(connection: CommonQueryMethods, filter: FailedFilter, upTo: number | null): Promise<Matched> {
  return connection.one(sql.type(z.object({ total: z.number(), lastFailedId: z.number() }))`
    SELECT count(*) AS total, COALESCE(max(f.failed_id), 0) AS "lastFailedId"
    FROM analytics.crm_failed_events f
    WHERE f.status IN ('failed', 'dead') AND ${matchesFilter(filter)}
      AND (${upTo}::bigint IS NULL OR f.failed_id <= ${upTo})
  `);
}

function create(
  connection: CommonQueryMethods,
  ...[request, status]: Parameters<Redrives['create']>
): Promise<Redrive> {
  const { redriveId, action, filter, fix, reason, force, ratePerSecond, total, lastFailedId, requestedBy } = request;
  return connection.one(sql.type(redriveRow)`
    INSERT INTO analytics.crm_redrives AS r (
      redrive_id, action, filter, fix, reason, force, rate_per_second, status, last_failed_id, total, requested_by
    )
    VALUES (
      ${redriveId}, ${action}, ${JSON.stringify(filter)}::jsonb, ${fix === null ? null : JSON.stringify(fix)}::jsonb,
      ${reason}, ${force}, ${ratePerSecond}, ${status}, ${lastFailedId}, ${total}, ${requestedBy}
    )
    RETURNING ${COLUMNS}
  `);
}

function get(connection: CommonQueryMethods, redriveId: string): Promise<Redrive | null> {
  return connection.maybeOne(sql.type(redriveRow)`
    SELECT ${COLUMNS} FROM analytics.crm_redrives r WHERE r.redrive_id = ${redriveId}
  `);
}

async function list(connection: CommonQueryMethods, most: number): Promise<Redrive[]> {
  const rows = await connection.any(sql.type(redriveRow)`
    SELECT ${COLUMNS} FROM analytics.crm_redrives r ORDER BY r.requested_at DESC, r.redrive_id LIMIT ${most}
  `);
  return [...rows];
}

/** One statement, so that of two people who decide at once one is first. */
async function decide(
  connection: CommonQueryMethods,
  ...[redriveId, as, by]: Parameters<Redrives['decide']>
): ReturnType<Redrives['decide']> {
  const { rowCount } = await connection.query(sql.unsafe`
    UPDATE analytics.crm_redrives
    SET status = ${as}, decided_by = ${by}, decided_at = clock_timestamp(),
        finished_at = CASE WHEN ${as} = 'rejected' THEN clock_timestamp() END
    WHERE redrive_id = ${redriveId} AND status = 'awaiting_approval' AND (requested_by <> ${by} OR ${as} = 'rejected')
  `);
  if (rowCount === 1) return 'done';
  const found = await get(connection, redriveId);
  if (found === null) return 'unknown';
  return found.status === 'awaiting_approval' ? 'own' : 'decided';
}

/** One that is finished has tried all it could: what is left of its total was settled or claimed by others, or left out. */
async function move(connection: CommonQueryMethods, redriveId: string, to: RedriveMove): Promise<void> {
  await connection.query(sql.unsafe`
    UPDATE analytics.crm_redrives
    SET status = ${to},
        finished_at = CASE WHEN ${to} NOT IN ('running', 'paused') THEN clock_timestamp() END,
        left_out = CASE WHEN ${to} = 'finished'
          THEN greatest(0, total - processed - skipped - filtered - failed - dead - discarded) ELSE left_out END
    WHERE redrive_id = ${redriveId} AND status IN ('running', 'paused')
  `);
}
