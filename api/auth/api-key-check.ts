/** Checks API keys against the table, with so few questions that a flood of made-up keys is no load for PostgreSQL. */
import { timingSafeEqual } from 'node:crypto';
import type { ApiKeys, KnownApiKey } from '../../activities/api-key-ports.ts';
import { permissionsOf } from '../../domain/permissions.ts';
import type { Logger } from '../../platform/logger.ts';
import { INSTALLATION, withinScope } from '../../platform/scope.ts';
import { hashOf, keyIdOf } from './api-key.ts';
import { createBatches } from './batches.ts';
import { KEY_NAME_PREFIX } from './names.ts';
import { EXPIRED, type Outcome, refused } from './outcome.ts';

/** A key that was revoked is taken for so long at most. */
const KEPT_MS = 5_000;

/** As exact as the time of the last use is told. */
const TOUCH_MS = 60_000;

/** Compared with where there is no such key, so that the answer takes as long. */
const NO_HASH = Buffer.alloc(32);

interface Options {
  logger: Logger;
  /** Epoch milliseconds. */
  now?: () => number;
}

/** @returns a check, which throws a WriteError when PostgreSQL can't be asked */
export function createApiKeyCheck(
  keys: Pick<ApiKeys, 'find' | 'touch'>,
  { logger, now = Date.now }: Options,
): (key: string) => Promise<Outcome> {
  // Whose request it is that asks doesn't matter here: who that is remains to be found out.
  const batches = createBatches(
    (ids) => withinScope(INSTALLATION, () => keys.find(ids)),
    ({ keyId }) => keyId,
  );
  const kept = new Map<string, { known: KnownApiKey; askedAt: number; touchedAt: number }>();

  /** Either way: a clock that is set back must not prolong anything. */
  const isWithin = (span: number, at: number) => Math.abs(now() - at) < span;

  async function find(keyId: string): Promise<KnownApiKey | null> {
    const entry = kept.get(keyId);
    if (entry !== undefined && isWithin(KEPT_MS, entry.askedAt)) return entry.known;
    const known = await batches.find(keyId);
    if (known === null) kept.delete(keyId);
    else kept.set(keyId, { known, askedAt: now(), touchedAt: entry?.touchedAt ?? Number.NEGATIVE_INFINITY });
    return known;
  }

  function touch(keyId: string): void {
    const entry = kept.get(keyId);
    if (entry === undefined || isWithin(TOUCH_MS, entry.touchedAt)) return;
    entry.touchedAt = now();
    withinScope(INSTALLATION, () => keys.touch([keyId])).catch((error: unknown) =>
      logger.debug('the use of an API key could not be noted', { keyId, error }),
    );
  }

  return async (key) => {
    const keyId = keyIdOf(key);
    if (keyId === null) return refused('form of the key');
    const known = await find(keyId);
    const isSame = timingSafeEqual(hashOf(key), known?.hash ?? NO_HASH);
    if (known === null || !isSame) return refused('unknown key');
    if (known.revoked) return refused('revoked key');
    if (known.expiresAt <= now()) return EXPIRED;
    touch(keyId);
    return {
      ok: true,
      principal: {
        name: `${KEY_NAME_PREFIX}${known.name}`,
        kind: 'api-key',
        permissions: permissionsOf(known.grants),
        organizations: known.organizations,
      },
    };
  };
}
