/**
 * The chain of the audit log: each entry holds a hash over the entry before it and its own text, so that an entry that
 * was changed, removed, added or moved does not fit its neighbours any more.
 */
import { createHash, createHmac } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';

export const TRAIL_KINDS = ['attempt', 'outcome', 'read', 'refusal', 'unidentified', 'retention'] as const;
export type TrailKind = (typeof TRAIL_KINDS)[number];

export const TRAIL_OUTCOMES = ['pending', 'done', 'refused', 'rejected', 'failed'] as const;
export type TrailOutcome = (typeof TRAIL_OUTCOMES)[number];

export const TRAIL_PRINCIPALS = ['anonymous', 'token', 'api-key', 'system'] as const;
export type TrailPrincipal = (typeof TRAIL_PRINCIPALS)[number];

/** What is recorded; migration 000013 says what each field means. */
export interface TrailEntry {
  kind: TrailKind;
  outcome: TrailOutcome;
  /** UUID. */
  actionId: string;
  principal: string | null;
  principalKind: TrailPrincipal | null;
  permission: string | null;
  method: string | null;
  route: string | null;
  subject: Record<string, string | number>;
  /** null for the installation; never empty. */
  organizations: string[] | null;
  status: number | null;
  problem: string | null;
  requestId: string | null;
  clientAddress: string | null;
  occurrences: number;
}

/** A place in the chain: 0 and zeros before the first entry. */
export interface Link {
  sequence: number;
  /** 64 hexadecimal digits. */
  hash: string;
}

export interface ChainedEntry extends TrailEntry, Link {
  /** ISO 8601, UTC, with milliseconds. */
  at: string;
  /** null for a hash without a key. */
  keyId: string | null;
}

export const BEGINNING: Link = { sequence: 0, hash: '0'.repeat(64) };

export interface TrailDigest {
  /** null for a hash that everyone can make. */
  keyId: string | null;
  /** @returns 64 hexadecimal digits */
  of(text: string): string;
}

/**
 * How hashes are made.
 * @param key null for SHA-256, which tells of changes by whoever does not make the whole chain anew; a key makes it
 *   HMAC-SHA-256
 */
export function trailDigest(key: string | null): TrailDigest {
  if (key === null) {
    return { keyId: null, of: (text) => createHash('sha256').update(text).digest('hex') };
  }
  const of = (text: string) => createHmac('sha256', key).update(text).digest('hex');
  return { keyId: of('key id').slice(0, 16), of };
}

/**
 * Appends entries to a chain.
 * @param at of all of them: ISO 8601, UTC, with milliseconds
 */
export function chainAfter(
  last: Link,
  entries: readonly TrailEntry[],
  at: string,
  digest: TrailDigest,
): ChainedEntry[] {
  const chained: ChainedEntry[] = [];
  let { sequence, hash } = last;
  for (const entry of entries) {
    sequence += 1;
    const unhashed = { ...entry, sequence, at, keyId: digest.keyId };
    hash = digest.of(textOf(hash, unhashed));
    chained.push({ ...unhashed, hash });
  }
  return chained;
}

/** What the hash of an entry must be, given the one before it. */
export function hashOf(previousHash: string, entry: ChainedEntry, digest: TrailDigest): string {
  const { hash: _, ...unhashed } = entry;
  return digest.of(textOf(previousHash, unhashed));
}

function textOf(previousHash: string, unhashed: Omit<ChainedEntry, 'hash'>): string {
  return `${previousHash}\n${canonicalJson(unhashed)}`;
}

/** The outcome that a status of HTTP stands for. */
export function outcomeOf(status: number): Exclude<TrailOutcome, 'pending'> {
  if (status < 400) return 'done';
  if (status === 401 || status === 403 || status === 429) return 'refused';
  return status < 500 ? 'rejected' : 'failed';
}

const NUMBER = /^\d{1,15}$/u;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/iu;
const NAME = /^[\w.:-]{1,255}$/u;

/** Parameters that name things of ours, or organizations. Whatever else a path holds may be about a person. */
const NAMED: ReadonlySet<string> = new Set(['organizationId', 'table', 'topic', 'schemaId', 'job', 'change']);

/**
 * A parameter of a path as it is recorded: numbers, UUIDs and the names of things of ours as they are; the first 32
 * hexadecimal digits of SHA-256 of all else, so that whoever knows an id finds what was done with it.
 */
export function recordedParameter(name: string, value: string): string {
  if (NUMBER.test(value) || UUID.test(value) || (NAMED.has(name) && NAME.test(value))) return value;
  return `sha256:${createHash('sha256').update(value).digest('hex').slice(0, 32)}`;
}
