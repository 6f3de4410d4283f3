/** Runs of partition maintenance: who asked for one, and its report. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { MaintenanceRun, MaintenanceRuns } from '../../activities/maintenance-ports.ts';
import { guarded } from './errors.ts';
import { isoTime } from './row-types.ts';

/** A run whose last step began or ended longer ago, while nobody is at work, has died. */
const SILENT = sql.fragment`interval '10 minutes'`;

/** The steps were written by `record`, and by nobody else. */
const runRow = z.object({
  maintenanceId: z.string(),
  dryRun: z.boolean(),
  maintenanceWindow: z.boolean(),
  status: z.enum(['requested', 'running', 'finished', 'failed', 'skipped']),
  steps: z.custom<MaintenanceRun['steps']>(),
  reasons: z.array(z.string()),
  requestedBy: z.string(),
  requestedAt: isoTime,
  startedAt: isoTime.nullable(),
  finishedAt: isoTime.nullable(),
});

const COLUMNS = sql.fragment`
  m.maintenance_id AS "maintenanceId", m.dry_run AS "dryRun", m.maintenance_window AS "maintenanceWindow", m.status,
  m.reasons, m.requested_by AS "requestedBy", m.requested_at AS "requestedAt", m.started_at AS "startedAt",
  m.finished_at AS "finishedAt"
`;

export function createMaintenanceRuns(connection: CommonQueryMethods): MaintenanceRuns {
  return {
    request: ({ maintenanceId, dryRun, maintenanceWindow, requestedBy }) =>
      guarded(async () => {
        await connection.query(sql.unsafe`
          INSERT INTO analytics.crm_maintenance (maintenance_id, dry_run, maintenance_window, status, requested_by)
          VALUES (${maintenanceId}, ${dryRun}, ${maintenanceWindow}, 'requested', ${requestedBy})
        `);
      }),

    begin: (run) => guarded(() => connection.transaction((transaction) => begin(transaction, run))),

    record: (maintenanceId, step, report) =>
      guarded(async () => {
        await connection.query(sql.unsafe`
          UPDATE analytics.crm_maintenance
          SET steps = steps || jsonb_build_object(${step}::text, ${JSON.stringify(report)}::jsonb),
              touched_at = clock_timestamp()
          WHERE maintenance_id = ${maintenanceId}
        `);
      }),

    conclude: (maintenanceId, status, reasons) =>
      guarded(() =>
        connection.oneFirst(sql.type(z.object({ ms: z.number() }))`
          UPDATE analytics.crm_maintenance
          SET status = ${status}, reasons = ${JSON.stringify(reasons)}::jsonb, finished_at = clock_timestamp()
          WHERE maintenance_id = ${maintenanceId}
          RETURNING (extract(epoch FROM finished_at - COALESCE(started_at, finished_at)) * 1000)::bigint AS ms
        `),
      ),

    list: (most) =>
      guarded(async () => [
        ...(await connection.any(sql.type(runRow)`
          SELECT ${COLUMNS}, (
            SELECT COALESCE(jsonb_object_agg(s.key, s.value || '{"statements": []}'), '{}')
            FROM jsonb_each(m.steps) s
          ) AS steps
          FROM analytics.crm_maintenance m
          ORDER BY m.requested_at DESC
          LIMIT ${most}
        `)),
      ]),

    find: (maintenanceId) =>
      guarded(() =>
        connection.maybeOne(sql.type(runRow)`
          SELECT ${COLUMNS}, m.steps FROM analytics.crm_maintenance m WHERE m.maintenance_id = ${maintenanceId}
        `),
      ),
  };
}

/** Of several that begin at once the lock lets one in after the other. A run that begins twice is one. */
async function begin(
  connection: CommonQueryMethods,
  { maintenanceId, dryRun, maintenanceWindow }: Parameters<MaintenanceRuns['begin']>[0],
): Promise<boolean> {
  await connection.query(sql.unsafe`SELECT pg_advisory_xact_lock(hashtext('analytics.crm_maintenance.begin'))`);
  await connection.query(sql.unsafe`
    UPDATE analytics.crm_maintenance
    SET status = 'failed', finished_at = clock_timestamp(), reasons = '["it died on the way"]'
    WHERE status = 'running' AND touched_at < clock_timestamp() - ${SILENT} AND maintenance_id <> ${maintenanceId}
      AND pg_try_advisory_xact_lock(hashtext('analytics.crm_maintenance'))
  `);
  return connection.oneFirst(sql.type(z.object({ begun: z.boolean() }))`
    INSERT INTO analytics.crm_maintenance AS m (
      maintenance_id, dry_run, maintenance_window, status, requested_by, started_at, touched_at, finished_at, reasons
    )
    SELECT ${maintenanceId}, ${dryRun}, ${maintenanceWindow}, CASE WHEN busy THEN 'skipped' ELSE 'running' END, 'schedule',
      clock_timestamp(), clock_timestamp(), CASE WHEN busy THEN clock_timestamp() END,
      CASE WHEN busy THEN '["another maintenance is at work"]' ELSE '[]' END::jsonb
    FROM (
      SELECT EXISTS (
        SELECT 1 FROM analytics.crm_maintenance WHERE status = 'running' AND maintenance_id <> ${maintenanceId}
      ) AS busy
    ) AS others
    ON CONFLICT (maintenance_id) DO UPDATE
    SET status = EXCLUDED.status, started_at = EXCLUDED.started_at, touched_at = EXCLUDED.touched_at,
        finished_at = EXCLUDED.finished_at, reasons = EXCLUDED.reasons
    RETURNING m.status = 'running' AS begun
  `);
}
