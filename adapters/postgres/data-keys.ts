/**
 * Data keys: made by whoever seals, kept in crm_data_keys wrapped by a key that the database never sees, and unwrapped
 * by whoever opens. A process asks the keeper of those keys once an hour to wrap, and once for each key to unwrap.
 */
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { WriteError } from '../../activities/ports.ts';
import { type KeyProvider, UnknownKeyError } from '../../platform/key-provider.ts';
import { type DataKey, KEY_BYTES, SealBrokenError, sealedBy, unseal } from '../../platform/sealing.ts';
import { guarded } from './errors.ts';

/** Whoever learns one key opens no more than was sealed in this time. */
const LIFETIME_MS = 3_600_000;
/** Far below what random nonces of 96 bits bear. */
const MOST_USES = 2 ** 24;
/** Unwrapped keys that are remembered: a year of one process has 8,760. */
const MOST_KEPT = 10_000;

/** As sqlstate.ts knows what is no SQLSTATE: trouble of a server, which is waited out and charged to no event. */
const KEYS_UNAVAILABLE = 'EKEYS';

/** A data key with what is kept of it. */
export interface SealingKey extends DataKey {
  /** Of the key that wraps it. */
  keyId: string;
  wrapped: Buffer;
}

export interface Opened {
  /**
   * What was sealed at this place.
   * @throws UnknownKeyError, SealBrokenError
   */
  open(sealed: Buffer, place: string): Buffer;
}

export interface DataKeys {
  /**
   * The key to seal with now, null without configured keys. Use it for one statement, which has to have `keepingKey` among
   * its steps, and ask again.
   * @throws WriteError when it can't be kept, or the keeper of keys can't be asked
   */
  forSealing(connection: CommonQueryMethods): Promise<SealingKey | null>;
  /** The keys of all these. @throws WriteError when they can't be read, or the keeper of keys can't be asked */
  forOpening(connection: CommonQueryMethods, sealed: readonly Buffer[]): Promise<Opened>;
}

function keepKey({ id, keyId, wrapped }: SealingKey): FragmentSqlToken {
  return sql.fragment`
    INSERT INTO analytics.crm_data_keys (data_key_id, key_id, wrapped)
    VALUES (${id}::uuid, ${keyId}, ${sql.binary(wrapped)})
    ON CONFLICT (data_key_id) DO NOTHING
  `;
}

/**
 * The step of a statement that sees to it that the key is kept with what it seals: a server that took over may have lost
 * what was committed last, and would go on with rows whose key is nowhere.
 */
export function keepingKey(key: SealingKey | null): FragmentSqlToken {
  return key === null ? sql.fragment`data_key AS (SELECT 1)` : sql.fragment`data_key AS (${keepKey(key)})`;
}

const wrappedRow = z.object({ id: z.string(), keyId: z.string(), wrapped: z.instanceof(Buffer) });

/** @param provider null seals nothing, and opens nothing either */
export function createDataKeys(provider: KeyProvider | null): DataKeys {
  const known = new Map<string, DataKey>();
  let current: { made: Promise<SealingKey>; until: number; uses: number } | null = null;

  function remember(key: DataKey): void {
    if (known.size >= MOST_KEPT) known.clear();
    known.set(key.id, key);
  }

  async function make(keys: KeyProvider, connection: CommonQueryMethods): Promise<SealingKey> {
    const bytes = randomBytes(KEY_BYTES);
    const key = { id: randomUUID(), key: createSecretKey(bytes), ...(await asked(() => keys.wrap(bytes))) };
    // By itself first: then no writer waits for another's whole statement because both bring the same key.
    await guarded(() => connection.query(sql.unsafe`${keepKey(key)}`));
    remember(key);
    return key;
  }

  return {
    async forSealing(connection) {
      if (provider === null) return null;
      if (current === null || Date.now() >= current.until || current.uses >= MOST_USES) {
        current = { made: make(provider, connection), until: Date.now() + LIFETIME_MS, uses: 0 };
      }
      const used = current;
      used.uses += 1;
      try {
        return await used.made;
      } catch (error) {
        if (current === used) current = null;
        throw error;
      }
    },

    async forOpening(connection, sealed) {
      const wanted = new Set(sealed.flatMap((bytes) => idIn(bytes) ?? []));
      const missing = [...wanted].filter((id) => !known.has(id));
      const refused = new Map<string, UnknownKeyError>();
      for (const { id, keyId, wrapped } of await wrappedKeys(connection, missing)) {
        try {
          if (provider === null) throw new UnknownKeyError(keyId);
          remember({ id, key: createSecretKey(await asked(() => provider.unwrap(keyId, wrapped))) });
        } catch (error) {
          if (!(error instanceof UnknownKeyError)) throw error;
          refused.set(id, error);
        }
      }
      // What another call makes room for is still there for this one.
      const keys = new Map([...wanted].flatMap((id) => known.get(id) ?? []).map((key) => [key.id, key]));
      return {
        open(bytes, place) {
          const id = sealedBy(bytes);
          const key = keys.get(id);
          // A row whose data key is gone was tampered with as well.
          if (key === undefined) throw refused.get(id) ?? new SealBrokenError();
          return unseal(key, bytes, place);
        },
      };
    },
  };
}

async function wrappedKeys(connection: CommonQueryMethods, ids: readonly string[]) {
  if (ids.length === 0) return [];
  return guarded(() =>
    connection.any(sql.type(wrappedRow)`
      SELECT data_key_id AS id, key_id AS "keyId", wrapped FROM analytics.crm_data_keys
      WHERE data_key_id = ANY (${sql.array(ids, 'uuid')})
    `),
  );
}

function idIn(sealed: Buffer): string | null {
  try {
    return sealedBy(sealed);
  } catch {
    return null;
  }
}

/** Its trouble is a server's: nothing is charged to an event, and what it says stays behind. */
async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof UnknownKeyError) throw error;
    throw new WriteError(KEYS_UNAVAILABLE);
  }
}
