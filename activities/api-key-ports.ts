/** What the API needs of the store of API keys. */

/** Longest life of a key; a constraint of the table holds it too. */
export const MOST_KEY_DAYS = 366;

export interface ApiKey {
  keyId: string;
  name: string;
  /** Names of roles and of single permissions. */
  grants: string[];
  /** Ids of organizations; null for the whole installation. */
  organizations: string[] | null;
  createdBy: string;
  /** ISO 8601, UTC, as all times here. */
  createdAt: string;
  expiresAt: string;
  revokedBy: string | null;
  revokedAt: string | null;
  /** To the minute; null when it was never used. */
  lastUsedAt: string | null;
}

export interface NewApiKey extends Pick<ApiKey, 'keyId' | 'name' | 'grants' | 'organizations' | 'createdBy'> {
  /** SHA-256 of the whole key. */
  hash: Buffer;
  /** From now; at most MOST_KEY_DAYS. */
  lifetimeMs: number;
}

/** What a key that somebody shows is compared with. */
export interface KnownApiKey {
  keyId: string;
  name: string;
  hash: Buffer;
  grants: string[];
  organizations: string[] | null;
  /** Epoch milliseconds. */
  expiresAt: number;
  revoked: boolean;
}

/** All of them throw a WriteError when PostgreSQL can't be reached. */
export interface ApiKeys {
  create(key: NewApiKey): Promise<ApiKey>;
  /** Those that can be used first, then the latest; 1,000 at most. */
  list(): Promise<ApiKey[]>;
  /** From now on nothing takes it; once more changes nothing. @returns null when there is no such key */
  revoke(keyId: string, by: string): Promise<ApiKey | null>;
  /** Those that there are of these ids. */
  find(keyIds: readonly string[]): Promise<KnownApiKey[]>;
  /** Notes that they were used just now. */
  touch(keyIds: readonly string[]): Promise<void>;
}
