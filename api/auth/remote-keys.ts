/** The issuer's keys, fetched from its URL and kept: a URL that is down for a while locks nobody out. */
import { createLocalJWKSet, errors, type JSONWebKeySet, type LocalJWKSet } from 'jose';
import type { Logger } from '../../platform/logger.ts';
import { boundedJson } from './bounded-json.ts';
import { IdentityUnavailableError, type KeySource, PUBLIC_KEY_ALGORITHMS } from './keys.ts';

/** Keys older than this are fetched again in the background. */
const FRESH_MS = 10 * 60_000;

/** Keys are used for so long after they were last fetched; what the issuer revoked may be accepted until then. */
const KEPT_MS = 60 * 60_000;

/** The URL is asked at most so often, whatever tokens say: an unknown `kid` costs nothing to make up. */
const COOL_DOWN_MS = 30_000;

const TIMEOUT_MS = 5_000;

/** A key set has a few keys of 1 KiB each. */
const MOST_BYTES = 256 * 1024;

interface Options {
  logger: Logger;
  /** Milliseconds that only go forward: a clock that is set back must not prolong anything. */
  now?: () => number;
}

/** @param url https, or http on this machine; the configuration has checked it */
export function createRemoteKeys(url: string, { logger, now = () => performance.now() }: Options): KeySource {
  let keys: { set: LocalJWKSet; fetchedAt: number } | null = null;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | null = null;

  async function ask(): Promise<void> {
    askedAt = now();
    try {
      keys = { set: createLocalJWKSet(await fetchKeySet(url)), fetchedAt: now() };
    } catch (error) {
      logger.warn('the keys of the token issuer can not be fetched', { error: safe(error), kept: keys !== null });
    }
  }

  /** One question at a time, and none within the cool-down; it settles when there is nothing more to wait for. */
  function refresh(): Promise<void> {
    if (asking !== null) return asking;
    if (now() - askedAt < COOL_DOWN_MS) return Promise.resolve();
    asking = ask().finally(() => {
      asking = null;
    });
    return asking;
  }

  async function current(): Promise<LocalJWKSet> {
    const age = keys === null ? Number.POSITIVE_INFINITY : now() - keys.fetchedAt;
    if (age > KEPT_MS) await refresh();
    else if (age > FRESH_MS) void refresh();
    if (keys === null || now() - keys.fetchedAt > KEPT_MS) throw new IdentityUnavailableError();
    return keys.set;
  }

  return {
    algorithms: PUBLIC_KEY_ALGORITHMS,
    async keyFor(header, token) {
      const set = await current();
      try {
        return await set(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        // The issuer may have a new key.
        await refresh();
        return (await current())(header, token);
      }
    },
    async check() {
      await current();
    },
  };
}

async function fetchKeySet(url: string): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    // Where it leads to was checked by nobody.
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the URL answers with status ${response.status}`);
  }
  // createLocalJWKSet refuses what is no key set.
  return (await boundedJson(response, MOST_BYTES)) as JSONWebKeySet;
}

/** Why it failed, without what the other side said. */
function safe(error: unknown): Error {
  const { name, message, cause } = error instanceof Error ? error : new Error('unknown');
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  return Object.assign(new Error(`${message}${code}`), { name });
}
