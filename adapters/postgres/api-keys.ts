/** Keys of machines, by their hashes. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { ApiKeys } from '../../activities/api-key-ports.ts';
import { guarded } from './errors.ts';
import { isoTime } from './row-types.ts';

const keyRow = z.object({
  keyId: z.string(),
  name: z.string(),
  grants: z.array(z.string()),
  organizations: z.array(z.string()).nullable(),
  createdBy: z.string(),
  createdAt: isoTime,
  expiresAt: isoTime,
  revokedBy: z.string().nullable(),
  revokedAt: isoTime.nullable(),
  lastUsedAt: isoTime.nullable(),
});

const COLUMNS = sql.fragment`
  k.key_id AS "keyId", k.name, k.grants, k.organizations, k.created_by AS "createdBy", k.created_at AS "createdAt",
  k.expires_at AS "expiresAt", k.revoked_by AS "revokedBy", k.revoked_at AS "revokedAt", k.last_used_at AS "lastUsedAt"
`;

const knownRow = z.object({
  keyId: z.string(),
  name: z.string(),
  hash: z.instanceof(Buffer),
  grants: z.array(z.string()),
  organizations: z.array(z.string()).nullable(),
  expiresAt: z.number(),
  revoked: z.boolean(),
});

export function createApiKeys(connection: CommonQueryMethods): ApiKeys {
  return {
    create: ({ keyId, name, hash, grants, organizations, createdBy, lifetimeMs }) =>
      guarded(() =>
        connection.one(sql.type(keyRow)`
          WITH now AS (SELECT clock_timestamp() AS at)
          INSERT INTO analytics.crm_api_keys AS k
            (key_id, name, hash, grants, organizations, created_by, created_at, expires_at)
          SELECT
            ${keyId}::uuid, ${name}, ${sql.binary(hash)}, ${sql.array(grants, 'text')},
            ${organizations === null ? null : sql.array(organizations, 'text')}, ${createdBy},
            now.at, now.at + ${lifetimeMs}::float8 * INTERVAL '1 millisecond'
          FROM now
          RETURNING ${COLUMNS}
        `),
      ),

    list: () =>
      guarded(async () => [
        ...(await connection.any(sql.type(keyRow)`
          SELECT ${COLUMNS} FROM analytics.crm_api_keys k
          ORDER BY k.revoked_at IS NULL AND k.expires_at > clock_timestamp() DESC, k.created_at DESC, k.key_id
          LIMIT 1000
        `)),
      ]),

    revoke: (keyId, by) =>
      guarded(() =>
        connection.maybeOne(sql.type(keyRow)`
          UPDATE analytics.crm_api_keys k
          SET revoked_at = coalesce(k.revoked_at, clock_timestamp()), revoked_by = coalesce(k.revoked_by, ${by})
          WHERE k.key_id = ${keyId}::uuid
          RETURNING ${COLUMNS}
        `),
      ),

    find: (keyIds) =>
      guarded(async () => [
        ...(await connection.any(sql.type(knownRow)`
          SELECT
            k.key_id AS "keyId", k.name, k.hash, k.grants, k.organizations, k.expires_at AS "expiresAt",
            k.revoked_at IS NOT NULL AS revoked
          FROM analytics.crm_api_keys k WHERE k.key_id = ANY (${sql.array([...keyIds], 'uuid')})
        `)),
      ]),

    touch: (keyIds) =>
      guarded(async () => {
        await connection.query(sql.unsafe`
          UPDATE analytics.crm_api_keys SET last_used_at = date_trunc('minute', clock_timestamp())
          WHERE key_id = ANY (${sql.array([...keyIds], 'uuid')})
            AND (last_used_at IS NULL OR last_used_at < date_trunc('minute', clock_timestamp()))
        `);
      }),
  };
}
