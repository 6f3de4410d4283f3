/** The messages of failed events, and how an erasure removes them. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { KeptMessage, RunningErasure } from '../../activities/erasure-ports.ts';
import { bigints } from './column-fragments.ts';
import type { DataKeys } from './data-keys.ts';
import { discardEvents } from './discard.ts';
import { counting } from './erasure-rows.ts';
import { openRows } from './kept-messages.ts';

const messageRow = z.object({
  failedId: z.number(),
  topic: z.string(),
  sourceId: z.number(),
  partition: z.number(),
  offset: z.number(),
  organizationId: z.string().nullable(),
  key: z.instanceof(Buffer).nullable(),
  value: z.instanceof(Buffer).nullable(),
  headers: z.array(z.tuple([z.string(), z.string().nullable()])).nullable(),
  sealedBy: z.string().nullable(),
  correction: z.unknown(),
});

/** @see ErasureStore.messages */
export async function keptMessages(
  connection: CommonQueryMethods,
  dataKeys: DataKeys,
  after: number,
  limit: number,
): Promise<KeptMessage[]> {
  const rows = await connection.any(sql.type(messageRow)`
    SELECT failed_id AS "failedId", topic, source_id AS "sourceId", partition, "offset",
      organization_id AS "organizationId", key, value, headers, sealed_by AS "sealedBy", correction
    FROM analytics.crm_failed_events
    WHERE failed_id > ${after} AND num_nonnulls(key, value, headers, correction) > 0
    ORDER BY failed_id
    LIMIT ${limit}
  `);
  const opened = await openRows(connection, dataKeys, rows);
  return opened.map(({ failedId, topic, organizationId, key, value, headers, correction, unreadable }) => ({
    ...{ failedId, topic, organizationId, value, correction, sealed: unreadable !== null },
    beside: [
      key?.toString() ?? '',
      ...headers.map(([name, value]) => `${name} ${Buffer.from(value ?? '', 'base64')}`),
      correction === null ? '' : JSON.stringify(correction),
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
