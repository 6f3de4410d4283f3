/** How long rows are kept, by table and by organization. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { PARTITIONED, type RetentionRules } from '../../activities/maintenance-ports.ts';
import { guarded } from './errors.ts';
import { isoTime } from './row-types.ts';

const ruleRow = z.object({
  table: z.enum(PARTITIONED),
  organizationId: z.string().nullable(),
  keepDays: z.number().nullable(),
  afterwards: z.enum(['drop', 'archive']),
  late: z.enum(['rebuild', 'quarantine', 'drop']),
  changedBy: z.string(),
  changedAt: isoTime,
});

const COLUMNS = sql.fragment`
  r.parent AS table, NULLIF(r.organization_id, '') AS "organizationId", r.keep_days AS "keepDays", r.afterwards, r.late,
  r.changed_by AS "changedBy", r.changed_at AS "changedAt"
`;

export function createRetentionRules(connection: CommonQueryMethods): RetentionRules {
  return {
    list: () =>
      guarded(async () => [
        ...(await connection.any(sql.type(ruleRow)`
          SELECT ${COLUMNS} FROM analytics.crm_retention r ORDER BY r.parent, r.organization_id
        `)),
      ]),

    put: ({ table, organizationId, keepDays, afterwards, late, changedBy }) =>
      guarded(() =>
        connection.one(sql.type(ruleRow)`
          INSERT INTO analytics.crm_retention AS r (parent, organization_id, keep_days, afterwards, late, changed_by)
          VALUES (${table}, ${organizationId ?? ''}, ${keepDays}, ${afterwards}, ${late}, ${changedBy})
          ON CONFLICT (parent, organization_id) DO UPDATE
          SET keep_days = EXCLUDED.keep_days, afterwards = EXCLUDED.afterwards, late = EXCLUDED.late,
              changed_by = EXCLUDED.changed_by, changed_at = clock_timestamp()
          RETURNING ${COLUMNS}
        `),
      ),

    remove: (table, organizationId) =>
      guarded(async () => {
        const { rowCount } = await connection.query(sql.unsafe`
          DELETE FROM analytics.crm_retention WHERE parent = ${table} AND organization_id = ${organizationId ?? ''}
        `);
        return rowCount > 0;
      }),
  };
}
