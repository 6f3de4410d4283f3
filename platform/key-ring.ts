/** Keys as an operator hands them over: the current one, with which is encrypted, and older ones that still decrypt. */
import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { KEY_BYTES } from './sealing.ts';

export interface NamedKey {
  id: string;
  /** Of 32 bytes. */
  key: KeyObject;
}

export interface KeyRing {
  current: NamedKey;
  /** The current one among them, by id. */
  all: ReadonlyMap<string, NamedKey>;
}

const LINE = /^(?:([A-Za-z0-9._-]{1,100})[ \t]+)?([A-Za-z0-9+/]{43}=)$/u;
const ID_CHARACTERS = 12;

export const KEY_RING_FORM =
  'one key a line, the current one first: 32 random bytes in base64 (`openssl rand -base64 32`), with a name and a space before it or without';

/**
 * Reads keys, one a line or separated by commas. A key without a name is called by the beginning of its hash, so that
 * the same key has the same name wherever it stands.
 * @returns undefined when it is anything else
 */
export function parseKeyRing(text: string): KeyRing | undefined {
  const lines = text
    .split(/[\n,]/u)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const keys = lines.map(parseKey);
  const [current] = keys;
  const all = new Map(keys.flatMap((key) => (key === undefined ? [] : [[key.id, key] as const])));
  return current === undefined || all.size < lines.length ? undefined : { current, all };
}

function parseKey(line: string): NamedKey | undefined {
  const [, id, base64] = LINE.exec(line) ?? [];
  if (base64 === undefined) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length === KEY_BYTES ? { id: id ?? nameOf(bytes), key: createSecretKey(bytes) } : undefined;
}

function nameOf(bytes: Buffer): string {
  return createHash('sha256').update('crm-ingestion key id').update(bytes).digest('hex').slice(0, ID_CHARACTERS);
}

/** As parseKeyRing, of a text that the configuration has checked. @throws TypeError for any other */
export function keyRingOf(text: string): KeyRing {
  const ring = parseKeyRing(text);
  if (ring === undefined) throw new TypeError('no key ring');
  return ring;
}
