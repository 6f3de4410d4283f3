/**
 * Writes deliveries by themselves: retries, redrives and single records. One statement, a transaction by itself, with
 * the very steps of a lane's batch, but instead of moving positions it claims failed events.
 *
 *   wanted     what is to be settled, one row per delivery
 *   claimed    the failed events among them that nobody else has or corrected meanwhile, under lock, with their status
 *   delivery   one row per delivery whose event was claimed, or that has none
 *   counted    the counts of the redrive
 */
import { type DatabasePoolConnection, sql } from 'slonik';
import { z } from 'zod';
import type { Settled, Settlement, SettleResult } from '../../activities/failed-ports.ts';
import { toColumns } from './batch-columns.ts';
import { bigints, ints, texts } from './column-fragments.ts';
import { createDataKeys, type DataKeys, type SealingKey } from './data-keys.ts';
import { guarded } from './errors.ts';
import { keptCorrection, sealRejected } from './kept-messages.ts';
import { rowsOf } from './rows.ts';
import { keptStep, RETRIES, rejectionStep, settlingSteps } from './settling-steps.ts';
import { COMPARED_DELIVERIES, EVERY_DELIVERY, KEEP_AS_LOGGED, loggedStep, stagingSteps } from './staging-steps.ts';

const settledRow = z.object({
  outcomes: z.array(
    z.object({
      ord: z.number(),
      status: z.enum(['processed', 'skipped', 'filtered', 'failed', 'dead']),
      reason: z.enum(['duplicate', 'conflict', 'reread']).nullable(),
    }),
  ),
  retries: z.array(z.object({ failedId: z.number(), attempts: z.number(), dueAt: z.number() })),
});

/** @see Settler.settle */
export async function settle(
  connection: DatabasePoolConnection,
  settlement: Settlement,
  dataKeys: DataKeys = createDataKeys(null),
): Promise<SettleResult> {
  const dataKey = mayKeep(settlement) ? await dataKeys.forSealing(connection) : null;
  const row = await guarded(() => connection.one(settleStatement(settlement, dataKey)));
  const outcomes: Array<Settled | null> = settlement.deliveries.map(() => null);
  for (const { ord, status, reason } of row.outcomes) {
    outcomes[ord - 1] = { status, reason };
  }
  return { outcomes, retries: row.retries };
}

/** Whether it may write down a message or a correction. */
function mayKeep({ deliveries }: Settlement): boolean {
  return deliveries.some(
    ({ failed, outcome, mended }) => mended !== undefined || (failed === null && outcome.kind === 'rejected'),
  );
}

function settleStatement({ runId, cause, suppression, redriveId, deliveries }: Settlement, dataKey: SealingKey | null) {
  const columns = toColumns({
    slices: [],
    deliveries: deliveries.map(({ outcome, verdict }, index) =>
      outcome.kind === 'rejected' ? { ...outcome, slice: index, verdict } : { ...outcome, slice: index },
    ),
  });
  const sources = deliveries.map(({ source }) => source);
  sealRejected(columns, sources, dataKey);
  const staging = stagingSteps(columns, runId);
  const logged = deliveries.flatMap(({ failed, outcome }) =>
    failed === null ? [] : [{ offset: outcome.record.offset, at: failed.loggedAt }],
  );
  const mended = deliveries.flatMap(({ failed, mended }, index) =>
    failed === null || mended === undefined
      ? []
      : [{ ord: index + 1, event: keptCorrection(mended.event, failed.failedId, dataKey), by: mended.by }],
  );
  return sql.type(settledRow)`
    WITH wanted AS MATERIALIZED (
      SELECT * FROM unnest(
        ${bigints(deliveries.map(({ failed }) => failed?.failedId ?? null))},
        ${bigints(deliveries.map(({ failed }) => failed?.correctedAt ?? null))},
        ${ints(sources.map(({ sourceId }) => sourceId))},
        ${texts(sources.map(({ topic }) => topic))},
        ${ints(sources.map(({ incarnation }) => incarnation))},
        ${ints(sources.map(({ partition }) => partition))}
      ) WITH ORDINALITY AS w(failed_id, corrected_us, source_id, topic, incarnation, partition, ord)
    ),
    claimed AS MATERIALIZED (
      SELECT f.failed_id, f.status AS was, f.event_timestamp AS logged_at
      FROM wanted w
      JOIN analytics.crm_failed_events f ON f.failed_id = w.failed_id
      WHERE f.status IN ('failed', 'dead')
        AND (extract(epoch FROM f.corrected_at) * 1000000)::bigint IS NOT DISTINCT FROM w.corrected_us
        AND (${redriveId}::uuid IS NULL OR f.redrive_id IS DISTINCT FROM ${redriveId}::uuid)
      FOR UPDATE OF f SKIP LOCKED
    ),
    delivery AS MATERIALIZED (
      SELECT ${COMPARED_DELIVERIES.columns}, c.failed_id, w.source_id, w.topic, w.incarnation, w.partition
      FROM ${rowsOf(COMPARED_DELIVERIES.values(columns))} d
      JOIN wanted w ON w.ord = d.slice
      LEFT JOIN claimed c ON c.failed_id = w.failed_id
      WHERE w.failed_id IS NULL OR c.failed_id IS NOT NULL
    ),
    ${sql.join(staging.steps, sql.fragment`, `)},
    ${rejectionStep(columns)},
    ${loggedStep(runId, EVERY_DELIVERY, KEEP_AS_LOGGED)},
    ${keptStep(runId)},
    ${settlingSteps({ runId, cause, redriveId, logged, mended })},
    moved_in AS (
      INSERT INTO analytics.crm_moves (source_id, partition, cause, from_status, to_status, events, run_id)
      SELECT o.source_id, o.partition, ${cause}, 'unread', o.status, count(*), ${runId}::uuid
      FROM outcome o
      JOIN logged l ON l.topic = o.topic AND l.partition = o.partition AND l."offset" = o."offset"
        AND l.topic_incarnation = o.incarnation
      WHERE o.failed_id IS NULL
      GROUP BY o.source_id, o.partition, o.status
      RETURNING 1
    ),
    counted AS (
      UPDATE analytics.crm_redrives r
      SET processed = r.processed + t.processed, skipped = r.skipped + t.skipped, filtered = r.filtered + t.filtered,
          failed = r.failed + t.failed, dead = r.dead + t.dead
      FROM (
        SELECT count(*) FILTER (WHERE status = 'processed') AS processed,
          count(*) FILTER (WHERE status = 'skipped') AS skipped, count(*) FILTER (WHERE status = 'filtered') AS filtered,
          count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'dead') AS dead
        FROM settled
      ) t
      WHERE r.redrive_id = ${redriveId}::uuid
      RETURNING 1
    )
    SELECT
      (
        SELECT COALESCE(jsonb_agg(jsonb_build_object(
          'ord', ord, 'status', status, 'reason', CASE WHEN status = 'skipped' THEN reason END
        )), '[]')
        FROM outcome
      ) AS outcomes,
      (
        SELECT ${RETRIES}
        FROM (
          SELECT failed_id, attempts, next_attempt_at FROM kept WHERE status = 'failed'
          UNION ALL
          SELECT failed_id, attempts, next_attempt_at FROM settled WHERE status = 'failed'
        ) due
      ) AS retries
    WHERE analytics.crm_assert_suppression(${suppression}) AND analytics.crm_assert_written(
      (SELECT count(*) FROM outcome WHERE reason = 'unresolved'),
      (SELECT count(*) FROM won),
      ${staging.staged},
      (SELECT count(*) FROM outcome WHERE status IN ('failed', 'dead') AND failed_id IS NULL),
      (SELECT count(*) FROM kept)
    )
  `;
}
