/** Key-encryption keys that this process holds itself. A key management service would be a neighbour of this file. */
import { type KeyProvider, UnknownKeyError } from '../../platform/key-provider.ts';
import type { KeyRing } from '../../platform/key-ring.ts';
import { decrypt, encrypt } from '../../platform/sealing.ts';

/** Wraps data keys with AES-256-GCM, bound to the id of the key that wraps them. */
export function createLocalKeys({ current, all }: KeyRing): KeyProvider {
  return {
    currentKeyId: current.id,
    async wrap(dataKey) {
      return { keyId: current.id, wrapped: encrypt(current.key, dataKey, placeOf(current.id)) };
    },
    async unwrap(keyId, wrapped) {
      const found = all.get(keyId);
      if (found === undefined) throw new UnknownKeyError(keyId);
      return decrypt(found.key, wrapped, placeOf(keyId));
    },
  };
}

const placeOf = (keyId: string) => `data key under ${keyId}`;
