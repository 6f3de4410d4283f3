/** What a person does to one failed event. Each change is one statement, which finds the event as it expects it. */
import { randomUUID } from 'node:crypto';
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Change, DeadLetters } from '../../activities/dead-letter-ports.ts';
import { type DataKeys, keepingKey } from './data-keys.ts';
import { discardEvents } from './discard.ts';
import { eventVersion } from './failed-version.ts';
import { keptCorrection } from './kept-messages.ts';

const changedRow = z.object({ failed_id: z.number() });
const standingRow = z.object({ status: z.string(), logged_at: z.number() });

/** @see DeadLetters.correct */
export async function correct(
  connection: CommonQueryMethods,
  dataKeys: DataKeys,
  failedId: number,
  correction: { event: unknown; by: string } | null,
  version: string | null,
): Promise<Change> {
  const dataKey = correction === null ? null : await dataKeys.forSealing(connection);
  const kept = correction === null ? null : keptCorrection(correction.event, failedId, dataKey);
  const changed = await connection.maybeOne(sql.type(changedRow)`
    WITH ${keepingKey(dataKey)}
    UPDATE analytics.crm_failed_events f
    SET correction = ${kept}::jsonb,
        corrected_by = ${correction?.by ?? null},
        corrected_at = CASE WHEN ${correction !== null} THEN clock_timestamp() END
    WHERE f.failed_id = ${failedId} AND f.status IN ('failed', 'dead')
      AND (${version}::text IS NULL OR ${eventVersion} = ${version}::text)
    RETURNING f.failed_id
  `);
  return changed === null ? whyNot(await standing(connection, failedId)) : 'done';
}

/** @see DeadLetters.discard */
export async function discard(
  connection: CommonQueryMethods,
  ...[failedId, reason, by]: Parameters<DeadLetters['discard']>
): Promise<Change> {
  const discarded = await discardEvents(connection, {
    failedIds: [failedId],
    reason,
    by,
    redriveId: null,
    runId: randomUUID(),
  });
  if (discarded > 0) return 'done';
  return (await standing(connection, failedId)) === null ? 'unknown' : 'settled';
}

function standing(connection: CommonQueryMethods, failedId: number) {
  return connection.maybeOne(sql.type(standingRow)`
    SELECT f.status, f.event_timestamp AS logged_at FROM analytics.crm_failed_events f WHERE f.failed_id = ${failedId}
  `);
}

function whyNot(found: { status: string } | null): Change {
  if (found === null) return 'unknown';
  return found.status === 'failed' || found.status === 'dead' ? 'changed' : 'settled';
}
