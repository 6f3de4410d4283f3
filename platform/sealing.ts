/**
 * Sealed bytes: AES-256-GCM under a data key whose id stands in front, so that whoever opens them knows which one to ask
 * for.
 *
 *   1 byte    version of the form
 *   16 bytes  id of the data key
 *   12 bytes  nonce
 *   16 bytes  authentication tag
 *   …         ciphertext
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';

export const KEY_BYTES = 32;

const CIPHER = 'aes-256-gcm';
const VERSION = 1;
const ID_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NONCE_AT = 1 + ID_BYTES;
const HEAD_BYTES = NONCE_AT + NONCE_BYTES + TAG_BYTES;

export interface DataKey {
  /** A UUID. */
  id: string;
  /** Of 32 bytes. Made once: to begin a cipher with bytes takes several times as long as all the rest. */
  key: KeyObject;
}

/** The bytes are not what was sealed, or not at the place they were sealed for. */
export class SealBrokenError extends Error {
  override readonly name = 'SealBrokenError';
  constructor() {
    super('the sealed bytes were changed, or do not belong where they were found');
  }
}

/** @param place what the bytes are bound to: they open at the same place only */
export function seal({ id, key }: DataKey, plain: Uint8Array, place: string): Buffer {
  return Buffer.concat([Buffer.of(VERSION), idBytes(id), encrypt(key, plain, place)]);
}

/**
 * @param dataKey the one that `sealedBy` names
 * @throws SealBrokenError
 */
export function unseal({ key }: DataKey, sealed: Buffer, place: string): Buffer {
  return decrypt(key, sealed.subarray(NONCE_AT), place);
}

/**
 * Nonce, tag and ciphertext, without saying of which key.
 * @param key of 32 bytes
 * @param place what they are bound to
 */
export function encrypt(key: KeyObject, plain: Uint8Array, place: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(place));
  const body = cipher.update(plain);
  // GCM has nothing left for the end, but only then is the tag there.
  cipher.final();
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

/** What `encrypt` made. @throws SealBrokenError */
export function decrypt(key: KeyObject, encrypted: Uint8Array, place: string): Buffer {
  const bodyAt = NONCE_BYTES + TAG_BYTES;
  try {
    const decipher = createDecipheriv(CIPHER, key, encrypted.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(place))
      .setAuthTag(encrypted.subarray(NONCE_BYTES, bodyAt));
    return Buffer.concat([decipher.update(encrypted.subarray(bodyAt)), decipher.final()]);
  } catch {
    throw new SealBrokenError();
  }
}

/** The id of the data key that sealed bytes ask for. @throws SealBrokenError when they can't be any */
export function sealedBy(sealed: Buffer): string {
  if (sealed.length < HEAD_BYTES || sealed[0] !== VERSION) throw new SealBrokenError();
  const hex = sealed.toString('hex', 1, NONCE_AT);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function idBytes(id: string): Buffer {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}
