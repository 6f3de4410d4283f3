import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { SuppressedIdentifier, SuppressionSource } from '../../activities/suppression.ts';
import { guarded } from './errors.ts';

const listRow = z.object({
  version: z.number(),
  added: z.array(
    z.object({
      kind: z.enum(['email', 'record', 'record-anywhere', 'organization']),
      hash: z.string(),
      keyId: z.string(),
    }),
  ),
});

/** The suppression list as writers read it. */
export function createSuppressionSource(connection: CommonQueryMethods): SuppressionSource {
  return {
    since: (version) =>
      guarded(() =>
        connection.one(sql.type(listRow)`
          SELECT v.version, (
            SELECT COALESCE(jsonb_agg(jsonb_build_object('kind', s.kind, 'hash', s.hash, 'keyId', s.key_id)), '[]')
            FROM analytics.crm_suppressed s
            WHERE s.version > ${version}
          ) AS added
          FROM analytics.crm_suppression_version v
        `),
      ),
  };
}

/** Writers wait behind whoever waits for the lock: it asks again rather than for long. */
const LOCK_MS = 500;

/**
 * Takes the lock that all writers share, and with it the list.
 * @returns the version that the list has; nobody else changes it before the transaction ends
 */
export async function lockSuppression(transaction: CommonQueryMethods): Promise<number> {
  await transaction.query(sql.unsafe`SELECT set_config('lock_timeout', ${`${LOCK_MS}ms`}, true)`);
  await transaction.query(sql.unsafe`SELECT pg_advisory_xact_lock(analytics.crm_suppression_lock())`);
  return transaction.oneFirst(
    sql.type(z.object({ version: z.number() }))`SELECT version FROM analytics.crm_suppression_version`,
  );
}

/**
 * Puts identifiers on the list; call it under lockSuppression.
 * @returns the version afterwards, raised where any of them is new
 */
export async function addSuppressed(
  transaction: CommonQueryMethods,
  erasureId: string,
  identifiers: readonly SuppressedIdentifier[],
  version: number,
): Promise<number> {
  const { rowCount } = await transaction.query(sql.unsafe`
    INSERT INTO analytics.crm_suppressed (kind, hash, key_id, version, erasure_id)
    SELECT kind, hash, key_id, ${version + 1}, ${erasureId}::uuid
    FROM unnest(
      ${sql.array(
        identifiers.map(({ kind }) => kind),
        'text',
      )},
      ${sql.array(
        identifiers.map(({ hash }) => hash),
        'text',
      )},
      ${sql.array(
        identifiers.map(({ keyId }) => keyId),
        'text',
      )}
    ) AS i(kind, hash, key_id)
    ON CONFLICT (hash, kind) DO NOTHING
  `);
  if (rowCount === 0) return version;
  await transaction.query(sql.unsafe`UPDATE analytics.crm_suppression_version SET version = ${version + 1}`);
  return version + 1;
}
