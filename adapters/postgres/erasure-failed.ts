/** The messages of failed events, and how an erasure removes them. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { KeptMessage, RunningErasure } from '../../activities/erasure-ports.ts';
import { bigints } from './column-fragments.ts';
import { discardEvents } from './discard.ts';
import { counting } from './erasure-rows.ts';

const messageRow = z.object({
  failedId: z.number(),
  topic: z.string(),
  organizationId: z.string().nullable(),
  key: z.instanceof(Buffer).nullable(),
  value: z.instanceof(Buffer).nullable(),
  headers: z.array(z.tuple([z.string(), z.string().nullable()])).nullable(),
  correction: z.unknown(),
});

/** @see ErasureStore.messages */
export async function keptMessages(
  connection: CommonQueryMethods,
  after: number,
  limit: number,
): Promise<KeptMessage[]> {
  const rows = await connection.any(sql.type(messageRow)`
    SELECT failed_id AS "failedId", topic, organization_id AS "organizationId", key, value, headers, correction
    FROM analytics.crm_failed_events
    WHERE failed_id > ${after} AND num_nonnulls(key, value, headers, correction) > 0
    ORDER BY failed_id
    LIMIT ${limit}
  `);
  return rows.map(({ key, headers, ...row }) => ({
    ...row,
    beside: [
      key?.toString() ?? '',
      ...(headers ?? []).map(([name, value]) => `${name} ${Buffer.from(value ?? '', 'base64')}`),
      row.correction === null ? '' : JSON.stringify(row.correction),
    ].join('\n'),
  }));
}

/** @see ErasureStore.emptyFailed */
export async function emptyFailed(
  transaction: CommonQueryMethods,
  { erasureId, requestedBy }: RunningErasure,
  failedIds: readonly number[],
): Promise<void> {
  await discardEvents(transaction, {
    failedIds,
    reason: 'erased',
    by: requestedBy,
    redriveId: null,
    runId: erasureId,
  });
  await transaction.query(sql.unsafe`
    WITH emptied AS (
      UPDATE analytics.crm_failed_events
      SET key = NULL, value = NULL, headers = NULL, correction = NULL
      WHERE failed_id = ANY (${bigints(failedIds)}) AND status NOT IN ('failed', 'dead')
      RETURNING failed_id
    )
    ${counting(erasureId, 'crm_failed_events', 'emptied', sql.fragment`emptied`)}
  `);
}
