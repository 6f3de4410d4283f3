/** Where the keys come from that tokens are checked with. */
import { createLocalJWKSet } from 'jose';
import type { TokenConfig } from '../../platform/auth-config.ts';
import type { Logger } from '../../platform/logger.ts';
import { type KeySource, PUBLIC_KEY_ALGORITHMS } from './keys.ts';
import { createRemoteKeys } from './remote-keys.ts';

/** @throws when the key set of a file is none */
export function createKeySource(keys: TokenConfig['keys'], logger: Logger): KeySource {
  switch (keys.kind) {
    case 'url':
      return createRemoteKeys(keys.url, { logger });
    case 'file':
      return fixedKeys(keys.jwks);
    default:
      return sharedSecret(keys.secret);
  }
}

function fixedKeys(text: string): KeySource {
  const set = createLocalJWKSet(JSON.parse(text));
  return { algorithms: PUBLIC_KEY_ALGORITHMS, keyFor: (header, token) => set(header, token), check: async () => {} };
}

function sharedSecret(secret: string): KeySource {
  const key = new TextEncoder().encode(secret);
  return { algorithms: ['HS256'], keyFor: async () => key, check: async () => {} };
}
