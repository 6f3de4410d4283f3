import { type CommonQueryMethods, sql } from 'slonik';
import type { Runs } from '../../activities/ports.ts';
import { guarded } from './errors.ts';

export function createRuns(connection: CommonQueryMethods): Runs {
  return {
    start: ({ runId, kind, scope }) =>
      guarded(async () => {
        await connection.query(sql.unsafe`
          INSERT INTO analytics.crm_runs (run_id, kind, scope) VALUES (${runId}::uuid, ${kind}, ${scope})
          ON CONFLICT (run_id) DO NOTHING
        `);
      }),
    finish: (runId, outcome) =>
      guarded(async () => {
        await connection.query(sql.unsafe`
          UPDATE analytics.crm_runs SET status = ${outcome}, finished_at = clock_timestamp()
          WHERE run_id = ${runId}::uuid AND status = 'running'
        `);
      }),
  };
}
