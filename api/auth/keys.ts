/** What checking tokens needs of keys. */
import type { CryptoKey, FlattenedJWSInput, JWSHeaderParameters } from 'jose';

/** Nobody can be told from anybody: there are no keys to check a token with. */
export class IdentityUnavailableError extends Error {
  override readonly name = 'IdentityUnavailableError';
  constructor() {
    super('the issuer of tokens can not be asked for its keys');
  }
}

export interface KeySource {
  /** What its keys may be used with: a key of one kind never checks a signature of another. */
  algorithms: Algorithm[];
  /**
   * The key that a token names by its header.
   * @throws IdentityUnavailableError, or an error of jose when there is no such key
   */
  keyFor(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey | Uint8Array>;
  /** @throws IdentityUnavailableError when there are no keys */
  check(): Promise<void>;
}

type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA' | 'Ed25519' | 'HS256';

/** Of the keys that an issuer publishes. */
export const PUBLIC_KEY_ALGORITHMS: Algorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'];
