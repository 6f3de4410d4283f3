/** What an overwrite kept of a row goes when the row would, by the rule of its table or organization. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'slonik';
import { z } from 'zod';
import type { MaintenanceSession } from './maintenance-session.ts';

const BATCH = 2_000;
/** Between two batches, in milliseconds. */
const PAUSE_MS = 100;

/** @see MaintenanceWork.deleteExpired */
export async function deleteExpiredVersions(session: MaintenanceSession): Promise<void> {
  while (!session.signal.aborted) {
    const [batch] = await session.change(deletion());
    if (batch === undefined || batch.gone === 0) {
      return;
    }
    session.count('versions', batch.gone);
    await sleep(PAUSE_MS, undefined, { signal: session.signal }).catch(() => undefined);
  }
}

function deletion() {
  return sql.type(z.object({ gone: z.number() }))`
    WITH gone AS (
      DELETE FROM analytics.crm_overwritten_rows
      WHERE overwritten_id = ANY (ARRAY(
        SELECT o.overwritten_id
        FROM analytics.crm_overwritten_rows o
        JOIN (
          VALUES (1, 'crm_leads_staging'), (2, 'crm_contacts_staging'), (3, 'crm_opportunities_staging')
        ) AS t(entity, parent) ON t.entity = o.entity
        WHERE EXISTS (
          SELECT 1 FROM analytics.crm_retention r
          WHERE r.parent = t.parent AND r.organization_id IN ('', o.organization_id)
            AND (o.row ->> 'event_timestamp')::timestamptz
              < date_trunc('day', now(), 'UTC') - r.keep_days * interval '1 day'
        )
        AND NOT EXISTS (SELECT 1 FROM analytics.crm_legal_holds h WHERE h.organization_id = o.organization_id)
        LIMIT ${BATCH}
      ))
      RETURNING 1
    )
    SELECT count(*) AS gone FROM gone
  `;
}
