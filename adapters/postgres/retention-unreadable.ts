/**
 * Failed events of which neither an id nor an organization could be told are found by no erasure, so their bytes are not
 * kept for ever: they are given up, like by a person, and then emptied.
 */
import { sql } from 'slonik';
import { z } from 'zod';
import { bigints } from './column-fragments.ts';
import { discardEvents } from './discard.ts';
import { type MaintenanceSession, within } from './maintenance-session.ts';

const BATCH = 1_000;
const LIMITS = { lockMs: 3_000, statementMs: 60_000 };

/** @see MaintenanceWork.forgetUnreadable */
export async function forgetUnreadable(
  session: MaintenanceSession,
  { keepDays, runId }: { keepDays: number; runId: string },
): Promise<void> {
  let after = 0;
  while (!session.signal.aborted) {
    const failedIds = await unreadable(session, keepDays, after);
    const last = failedIds.at(-1);
    if (last === undefined) {
      return;
    }
    session.count('events', await forget(session, failedIds, { keepDays, runId }));
    after = last;
  }
}

function unreadable({ connection }: MaintenanceSession, keepDays: number, after: number): Promise<readonly number[]> {
  return connection.anyFirst(sql.type(z.object({ failedId: z.number() }))`
    SELECT failed_id AS "failedId"
    FROM analytics.crm_failed_events
    WHERE failed_id > ${after} AND event_id IS NULL AND organization_id IS NULL AND status <> 'failed'
      AND (value IS NOT NULL OR key IS NOT NULL) AND correction IS NULL
      AND created_at < date_trunc('day', now(), 'UTC') - ${keepDays} * interval '1 day'
    ORDER BY failed_id
    LIMIT ${BATCH}
  `);
}

function forget(
  session: MaintenanceSession,
  failedIds: readonly number[],
  { keepDays, runId }: { keepDays: number; runId: string },
): Promise<number> {
  return within(session.connection, LIMITS, async (transaction) => {
    if (!session.dryRun) {
      const reason = `nothing of it could be told, and its bytes are kept for ${keepDays} days`;
      await discardEvents(transaction, { failedIds, reason, by: 'maintenance', redriveId: null, runId });
    }
    const emptied = await session.change(
      sql.type(z.object({ failedId: z.number() }))`
        UPDATE analytics.crm_failed_events SET key = NULL, value = NULL, headers = NULL
        WHERE failed_id = ANY (${bigints(failedIds)}) AND status IN ('resolved', 'discarded')
        RETURNING failed_id AS "failedId"
      `,
      transaction,
    );
    return emptied.length;
  });
}
