/** Key-encryption keys that this process holds itself. A key management service would be a neighbour of this file. */
import { type KeyProvider, UnknownKeyError } from '../../platform/key-provider.ts';
import type { KeyRing } from '../../platform/key-ring.ts';
import { decrypt, encrypt } from '../../platform/sealing.ts';

/** Wraps data keys with AES-256-GCM, bound to the id of the key that wraps them. */
export function createLocalKeys({ current, all }: KeyRing): KeyProvider {
  return {
    currentKeyId: current.id,
    async wrap(dataKey) {
      return { keyId: current.id, wrapped: encrypt(current.bytes, dataKey, placeOf(current.id)) };
    },
    async unwrap(keyId, wrapped) {
      const key = all.get(keyId);
      if (key === undefined) throw new UnknownKeyError(keyId);
      return decrypt(key.bytes, wrapped, placeOf(keyId));
    },
  };
}

const placeOf = (keyId: string) => `data key under ${keyId}`;
