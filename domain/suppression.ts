/**
 * How those who were erased are known again without keeping who they are: keyed hashes of what identifies them. Without
 * the key a hash says nothing, and nobody can try out addresses against it.
 */
import { createHmac, createSecretKey } from 'node:crypto';
import type { Entity } from './events.ts';

/** `record` is one of an organization; `record-anywhere` has this id in any. */
export type IdentifierKind = 'email' | 'record' | 'record-anywhere' | 'organization';

/** What identifies a subject. `parts` are in the clear: keep it to memory. */
export interface Identifier {
  kind: IdentifierKind;
  parts: readonly string[];
}

export interface IdentifierHash {
  /** Tells keys apart and gives none away. */
  keyId: string;
  /** HMAC-SHA-256 in base64url. */
  hash(identifier: Identifier): string;
}

const KEY_ID_LENGTH = 16;

/** @param key a secret; another key makes other hashes */
export function createIdentifierHash(key: string): IdentifierHash {
  const secret = createSecretKey(key, 'utf8'); // much faster than a text that is read for each hash
  const hmac = (text: string) => createHmac('sha256', secret).update(text).digest('base64url');
  return {
    keyId: hmac('key id').slice(0, KEY_ID_LENGTH),
    // As JSON, so that no two identifiers are the same text.
    hash: ({ kind, parts }) => hmac(JSON.stringify([kind, ...parts])),
  };
}

/** An address as it is compared: the same in capitals, with spaces around it, and however its accents are composed. */
export function normalEmail(email: string): string {
  return email.normalize('NFC').trim().toLowerCase();
}

export function emailIdentifier(email: string): Identifier {
  return { kind: 'email', parts: [normalEmail(email)] };
}

/** @param organizationId null for the id in any organization */
export function recordIdentifier(organizationId: string | null, entity: Entity, id: string): Identifier {
  return organizationId === null
    ? { kind: 'record-anywhere', parts: [entity, id] }
    : { kind: 'record', parts: [organizationId, entity, id] };
}

export function organizationIdentifier(organizationId: string): Identifier {
  return { kind: 'organization', parts: [organizationId] };
}

const TOKEN_PREFIX = 'erased-';
/** 132 bits: enough to tell people apart. */
const TOKEN_HASH_LENGTH = 22;

/** What stands in the place of an id that must not be known any more: the same for the same id. */
export function tokenOf(hash: string): string {
  return TOKEN_PREFIX + hash.slice(0, TOKEN_HASH_LENGTH);
}
