/** Whom the API lets in, as the variables of authentication say. */
import type { Values } from './variables.ts';

export interface AuthConfig {
  /** `off` lets everyone in. */
  mode: 'off' | 'jwt';
  /** null takes no JWT, only API keys. */
  tokens: TokenConfig | null;
}

export interface TokenConfig {
  issuer: string;
  audience: string;
  /** Where the issuer publishes its keys, the key set itself as JSON, or a shared secret. */
  keys: { kind: 'url'; url: string } | { kind: 'file'; jwks: string } | { kind: 'secret'; secret: string };
  clockSkewSeconds: number;
  maxLifetimeSeconds: number;
  /** Names of claims; dots enter objects. */
  rolesClaim: string;
  organizationsClaim: string;
}

export function authConfig(values: Values): AuthConfig {
  return { mode: values.AUTH_MODE, tokens: tokenConfig(values) };
}

function tokenConfig(values: Values): TokenConfig | null {
  const { AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience } = values;
  const keys = keysOf(values);
  if (keys === null || issuer === null || audience === null) return null;
  return {
    issuer,
    audience,
    keys,
    clockSkewSeconds: values.AUTH_CLOCK_SKEW_SECONDS,
    maxLifetimeSeconds: values.AUTH_MAX_LIFETIME_SECONDS,
    rolesClaim: values.AUTH_ROLES_CLAIM,
    organizationsClaim: values.AUTH_ORGANIZATIONS_CLAIM,
  };
}

function keysOf(values: Values): TokenConfig['keys'] | null {
  const { AUTH_JWKS_URL: url, AUTH_JWKS_FILE: jwks } = values;
  if (url !== null) return { kind: 'url', url };
  if (jwks !== null) return { kind: 'file', jwks };
  const secret = values.AUTH_HS256_SECRET_FILE ?? values.AUTH_HS256_SECRET;
  return secret === null ? null : { kind: 'secret', secret };
}
