/**
 * Brings everything that is sealed under the current key: data keys are wrapped again, which leaves the rows as they are,
 * and what was kept before there were keys is sealed. Both can be ended at any time and begun again, and whoever writes
 * goes on meanwhile.
 */
import { type DatabasePool, sql } from 'slonik';
import { z } from 'zod';
import { type KeyProvider, UnknownKeyError } from '../../platform/key-provider.ts';
import { bigints, texts } from './column-fragments.ts';
import { type DataKeys, keepingKey, type SealingKey } from './data-keys.ts';
import { guarded } from './errors.ts';
import { type KeptRow, keptCorrection, sealMessage } from './kept-messages.ts';

export interface RotationProgress {
  /** Data keys that were wrapped again. */
  rewrapped: number;
  /** Messages and corrections that were sealed. */
  sealed: number;
  /** Failed events looked at, up to this id. */
  at: number;
  /** The largest id when it began. */
  last: number;
}

export interface RotationResult extends RotationProgress {
  /** Data keys by the key that wraps them now. */
  keys: ReadonlyArray<{ keyId: string; dataKeys: number }>;
  /** Of those by keys that are not configured. */
  unknown: readonly string[];
  /** Messages and corrections that are readable still: somebody writes without keys. */
  readable: number;
}

const DATA_KEYS_AT_ONCE = 500;
/** Ids looked at in one statement, few or none of which may have anything to seal. */
const IDS_AT_ONCE = 5_000;

/**
 * @param batch rows that are sealed in one statement; messages can be of a megabyte each
 * @throws WriteError when PostgreSQL or the keeper of keys can't be asked, the signal's reason when it aborts
 */
export async function rotateKeys(
  pool: DatabasePool,
  { provider, dataKeys, batch }: { provider: KeyProvider; dataKeys: DataKeys; batch: number },
  { signal, report }: { signal: AbortSignal; report(progress: RotationProgress): void },
): Promise<RotationResult> {
  const progress: RotationProgress = { rewrapped: 0, sealed: 0, at: 0, last: await guarded(() => lastId(pool)) };
  const unknown = new Set<string>();
  for (let after: string | null = null; ; ) {
    signal.throwIfAborted();
    const page = await guarded(() => foreignKeys(pool, provider.currentKeyId, after));
    for (const key of page) {
      const outcome = await rewrap(pool, provider, key);
      if (outcome === 'unknown') unknown.add(key.keyId);
      else progress.rewrapped += 1;
    }
    after = page.at(-1)?.id ?? null;
    if (after === null) break;
    report({ ...progress });
  }
  while (progress.at < progress.last) {
    const to = Math.min(progress.at + IDS_AT_ONCE, progress.last);
    for (let after = progress.at; ; ) {
      signal.throwIfAborted();
      const rows = await guarded(() => readableRows(pool, { after, to, limit: batch }));
      const last = rows.at(-1);
      if (last === undefined) break;
      const dataKey = await dataKeys.forSealing(pool);
      if (dataKey !== null) progress.sealed += await guarded(() => sealRows(pool, rows, dataKey));
      after = last.failedId;
    }
    progress.at = to;
    report({ ...progress });
  }
  const keys = await guarded(() => countKeys(pool));
  return { ...progress, keys, unknown: [...unknown], readable: await guarded(() => countReadable(pool)) };
}

function lastId(pool: DatabasePool): Promise<number> {
  return pool.oneFirst(sql.type(z.object({ last: z.number() }))`
    SELECT COALESCE(max(failed_id), 0) AS last FROM analytics.crm_failed_events
  `);
}

const wrappedRow = z.object({ id: z.string(), keyId: z.string(), wrapped: z.instanceof(Buffer) });

function foreignKeys(pool: DatabasePool, currentKeyId: string, after: string | null) {
  return pool.any(sql.type(wrappedRow)`
    SELECT data_key_id AS id, key_id AS "keyId", wrapped FROM analytics.crm_data_keys
    WHERE key_id <> ${currentKeyId} AND (${after}::uuid IS NULL OR data_key_id > ${after}::uuid)
    ORDER BY data_key_id
    LIMIT ${DATA_KEYS_AT_ONCE}
  `);
}

async function rewrap(
  pool: DatabasePool,
  provider: KeyProvider,
  { id, keyId, wrapped }: z.infer<typeof wrappedRow>,
): Promise<'done' | 'unknown'> {
  try {
    const again = await provider.wrap(await provider.unwrap(keyId, wrapped));
    await guarded(() =>
      pool.query(sql.unsafe`
        UPDATE analytics.crm_data_keys
        SET key_id = ${again.keyId}, wrapped = ${sql.binary(again.wrapped)}, wrapped_at = clock_timestamp()
        WHERE data_key_id = ${id}::uuid AND key_id = ${keyId}
      `),
    );
    return 'done';
  } catch (error) {
    if (error instanceof UnknownKeyError) return 'unknown';
    throw error;
  }
}

const HAS_MESSAGE = sql.fragment`(f.sealed_by IS NULL AND num_nonnulls(f.key, f.value, f.headers) > 0)`;
const HAS_CORRECTION = sql.fragment`(f.correction IS NOT NULL AND jsonb_typeof(f.correction) <> 'string')`;

const readableRow = z.object({
  failedId: z.number(),
  sourceId: z.number(),
  partition: z.number(),
  offset: z.number(),
  key: z.instanceof(Buffer).nullable(),
  value: z.instanceof(Buffer).nullable(),
  headers: z.array(z.tuple([z.string(), z.string().nullable()])).nullable(),
  sealedBy: z.string().nullable(),
  correction: z.unknown(),
  correctedUs: z.number().nullable(),
});

function readableRows(pool: DatabasePool, { after, to, limit }: { after: number; to: number; limit: number }) {
  return pool.any(sql.type(readableRow)`
    SELECT f.failed_id AS "failedId", f.source_id AS "sourceId", f.partition, f."offset", f.key, f.value, f.headers,
      f.sealed_by AS "sealedBy", f.correction, (extract(epoch FROM f.corrected_at) * 1000000)::bigint AS "correctedUs"
    FROM analytics.crm_failed_events f
    WHERE f.failed_id > ${after} AND f.failed_id <= ${to} AND (${HAS_MESSAGE} OR ${HAS_CORRECTION})
    ORDER BY f.failed_id
    LIMIT ${limit}
  `);
}

/**
 * What was emptied or corrected since it was read is left alone: an erasure must not be undone, nor a correction.
 * @returns how many messages and corrections were sealed
 */
async function sealRows(
  pool: DatabasePool,
  rows: ReadonlyArray<z.infer<typeof readableRow>>,
  dataKey: SealingKey,
): Promise<number> {
  const messages = rows.filter((row) => row.sealedBy === null && (row.key ?? row.value ?? row.headers) !== null);
  const corrections = rows.filter(({ correction }) => correction !== null && typeof correction !== 'string');
  const inBase64 = (row: KeptRow) => sealMessage(row, dataKey).toString('base64');
  const { rowCount: sealedMessages } = await pool.query(sql.unsafe`
    WITH ${keepingKey(dataKey)}
    UPDATE analytics.crm_failed_events f
    SET value = decode(w.value, 'base64'), key = NULL, headers = NULL, sealed_by = ${dataKey.id}::uuid
    FROM unnest(${bigints(messages.map(({ failedId }) => failedId))}, ${texts(messages.map(inBase64))}) AS w(failed_id, value)
    WHERE f.failed_id = w.failed_id AND ${HAS_MESSAGE}
  `);
  const kept = corrections.map(({ correction, failedId }) => keptCorrection(correction, failedId, dataKey));
  const { rowCount: sealedCorrections } = await pool.query(sql.unsafe`
    WITH ${keepingKey(dataKey)}
    UPDATE analytics.crm_failed_events f
    SET correction = w.correction::jsonb
    FROM unnest(
      ${bigints(corrections.map(({ failedId }) => failedId))}, ${texts(kept)},
      ${bigints(corrections.map(({ correctedUs }) => correctedUs))}
    ) AS w(failed_id, correction, corrected_us)
    WHERE f.failed_id = w.failed_id AND ${HAS_CORRECTION}
      AND (extract(epoch FROM f.corrected_at) * 1000000)::bigint IS NOT DISTINCT FROM w.corrected_us
  `);
  return sealedMessages + sealedCorrections;
}

function countKeys(pool: DatabasePool) {
  return pool.any(sql.type(z.object({ keyId: z.string(), dataKeys: z.number() }))`
    SELECT key_id AS "keyId", count(*) AS "dataKeys" FROM analytics.crm_data_keys GROUP BY key_id ORDER BY key_id
  `);
}

function countReadable(pool: DatabasePool): Promise<number> {
  return pool.oneFirst(sql.type(z.object({ readable: z.number() }))`
    SELECT count(*) FILTER (WHERE ${HAS_MESSAGE}) + count(*) FILTER (WHERE ${HAS_CORRECTION}) AS readable
    FROM analytics.crm_failed_events f
  `);
}
