/** Organizations whose rows nothing may delete. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { LegalHolds } from '../../activities/maintenance-ports.ts';
import { WriteError } from '../../activities/ports.ts';
import { guarded } from './errors.ts';
import { whenUnlocked } from './maintenance-patience.ts';
import { isoTime } from './row-types.ts';

const holdRow = z.object({ organizationId: z.string(), reason: z.string(), placedBy: z.string(), placedAt: isoTime });

const COLUMNS = sql.fragment`
  h.organization_id AS "organizationId", h.reason, h.placed_by AS "placedBy", h.placed_at AS "placedAt"
`;

/** Maintenance locks the table for the moment in which it drops a partition. */
const PATIENCE_MS = 10_000;

/** lock_not_available */
const LOCKED = '55P03';

export function createLegalHolds(connection: CommonQueryMethods): LegalHolds {
  return {
    list: () =>
      guarded(async () => [
        ...(await connection.any(sql.type(holdRow)`
          SELECT ${COLUMNS} FROM analytics.crm_legal_holds h ORDER BY h.organization_id
        `)),
      ]),

    find: (organizationId) =>
      guarded(() =>
        connection.maybeOne(sql.type(holdRow)`
          SELECT ${COLUMNS} FROM analytics.crm_legal_holds h WHERE h.organization_id = ${organizationId}
        `),
      ),

    place: ({ organizationId, reason, placedBy }) =>
      guarded(async () => {
        const hold = await whenUnlocked(AbortSignal.timeout(PATIENCE_MS), () =>
          connection.one(sql.type(holdRow)`
            INSERT INTO analytics.crm_legal_holds AS h (organization_id, reason, placed_by)
            VALUES (${organizationId}, ${reason}, ${placedBy})
            ON CONFLICT (organization_id) DO UPDATE SET reason = EXCLUDED.reason, placed_by = EXCLUDED.placed_by
            RETURNING ${COLUMNS}
          `),
        );
        if (hold === null) {
          throw new WriteError(LOCKED);
        }
        return hold;
      }),

    lift: (organizationId) =>
      guarded(async () => {
        const { rowCount } = await connection.query(sql.unsafe`
          DELETE FROM analytics.crm_legal_holds WHERE organization_id = ${organizationId}
        `);
        return rowCount > 0;
      }),
  };
}
