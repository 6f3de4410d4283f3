import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { KeepRule } from '../../domain/late-data.ts';
import { guarded } from './errors.ts';

const ruleRow = z.object({
  entity: z.enum(['lead', 'contact', 'opportunity']),
  organizationId: z.string().nullable(),
  keepDays: z.number().nullable(),
  late: z.enum(['rebuild', 'quarantine', 'drop']),
});

/** The rules of the staging tables: an event's row in the log follows its entity's. @throws WriteError */
export function loadLateRules(connection: CommonQueryMethods): Promise<KeepRule[]> {
  return guarded(async () => [
    ...(await connection.any(sql.type(ruleRow)`
      SELECT t.entity, NULLIF(r.organization_id, '') AS "organizationId", r.keep_days AS "keepDays", r.late
      FROM analytics.crm_retention r
      JOIN (
        VALUES ('crm_leads_staging', 'lead'), ('crm_contacts_staging', 'contact'), ('crm_opportunities_staging', 'opportunity')
      ) AS t(parent, entity) ON t.parent = r.parent
    `)),
  ]);
}
