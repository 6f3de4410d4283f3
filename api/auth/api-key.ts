/** The form of API keys: `crm_`, the key's id as 32 hexadecimal digits, `_`, and 256 random bits in base64url. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';

export const API_KEY_PREFIX = 'crm_';

const FORM = /^crm_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/u;

/** @returns a new key, to be shown once, and what is kept of it */
export function newApiKey(): { key: string; keyId: string; hash: Buffer } {
  const keyId = randomUUID();
  const key = `${API_KEY_PREFIX}${keyId.replaceAll('-', '')}_${randomBytes(32).toString('base64url')}`;
  return { key, keyId, hash: hashOf(key) };
}

/** @returns the id that a key names, null when the text has not the form of a key */
export function keyIdOf(key: string): string | null {
  const parts = FORM.exec(key);
  return parts === null ? null : parts.slice(1).join('-');
}

/** SHA-256. A slow hash would only help what can be guessed. */
export function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
