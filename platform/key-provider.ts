/**
 * Who keeps the key-encryption keys: a file's content here, or a key management service behind the same interface. It
 * only ever sees data keys, one in an hour for each process that writes.
 */
export interface KeyProvider {
  /** Of the key that `wrap` uses. */
  readonly currentKeyId: string;
  /** Encrypts a data key of 32 bytes under the current key. Rejects when the service can't be asked. */
  wrap(dataKey: Buffer): Promise<{ keyId: string; wrapped: Buffer }>;
  /** @throws UnknownKeyError for a key that is not configured; rejects otherwise when the service can't be asked */
  unwrap(keyId: string, wrapped: Buffer): Promise<Buffer>;
}

/** Something is sealed with a key that this process was not given. */
export class UnknownKeyError extends Error {
  override readonly name = 'UnknownKeyError';
  readonly keyId: string;
  constructor(keyId: string) {
    super(`key "${keyId}" is not configured: add it to DATA_KEYS`);
    this.keyId = keyId;
  }
}
