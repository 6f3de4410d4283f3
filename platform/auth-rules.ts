/** What must hold of authentication, and what production refuses to start with. */

import type { Values, VariableName } from './variables.ts';
import { isWellKnown } from './well-known-secrets.ts';

const KEY_SOURCES = [
  'AUTH_JWKS_URL',
  'AUTH_JWKS_FILE',
  'AUTH_HS256_SECRET',
  'AUTH_HS256_SECRET_FILE',
] as const satisfies VariableName[];

/** HS256 wants a key of 256 bits (RFC 7518, section 3.2); a shorter text can be guessed from one token. */
const SHORTEST_SECRET = 32;

/** Problems of the values of authentication. A value that did not parse is undefined and reported already. */
export function authProblems(values: Partial<Values>): string[] {
  const sources = KEY_SOURCES.filter((name) => isSet(values[name]));
  const problems: string[] = [];
  if (sources.length > 1) problems.push(`${sources.join(' and ')} are set; allowed: one source of keys`);
  const missing = (['AUTH_ISSUER', 'AUTH_AUDIENCE'] as const).filter((name) => values[name] === null);
  if (sources.length > 0 && missing.length > 0) {
    problems.push(`${sources[0]} is set without ${missing.join(' and ')}; set them together or not at all`);
  }
  problems.push(...urlProblems(values.AUTH_JWKS_URL), ...keySetProblems(values.AUTH_JWKS_FILE));
  return [...problems, ...secretProblems(values)];
}

/** What people should know who run this outside of a laptop. */
export function authWarnings({ NODE_ENV: environment, AUTH_MODE: mode }: Partial<Values>): string[] {
  return environment === 'staging' && mode === 'off'
    ? ['AUTH_MODE is "off": the API lets everyone in who reaches it; production refuses to start with it']
    : [];
}

/** Settings that are only fit for a laptop. */
export function productionProblems(values: Partial<Values>): string[] {
  if (values.NODE_ENV !== 'production') return [];
  const off = values.AUTH_MODE === 'off' ? ['AUTH_MODE is "off"; allowed in production: jwt'] : [];
  return [...off, ...wellKnownSecrets(values)];
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u;

function urlProblems(url: string | null | undefined): string[] {
  const parsed = url ? URL.parse(url) : null;
  if (parsed === null) return [];
  if (parsed.username !== '' || parsed.password !== '') {
    return ['AUTH_JWKS_URL holds a user or password; allowed: a URL that is open to read'];
  }
  return parsed.protocol === 'http:' && !LOOPBACK.test(parsed.hostname)
    ? ['AUTH_JWKS_URL is read without TLS from another machine, which could then sign tokens; allowed: https://']
    : [];
}

/** @param text of a key set, which parsed */
function keySetProblems(text: string | null | undefined): string[] {
  if (!text) return [];
  const { keys } = JSON.parse(text) as { keys: unknown[] };
  const isPrivate = (key: unknown) => typeof key === 'object' && key !== null && ('d' in key || 'k' in key);
  if (keys.length === 0) return ['AUTH_JWKS_FILE holds no key'];
  return keys.some(isPrivate) ? ['AUTH_JWKS_FILE holds private or shared keys; allowed: public keys alone'] : [];
}

function secretProblems(values: Partial<Values>): string[] {
  const secret = values.AUTH_HS256_SECRET_FILE ?? values.AUTH_HS256_SECRET ?? null;
  if (secret === null) return [];
  if (values.NODE_ENV !== undefined && values.NODE_ENV !== 'development') {
    return [
      `AUTH_HS256_SECRET is set, and whoever checks tokens with it can make them; allowed in ${values.NODE_ENV}: AUTH_JWKS_URL or AUTH_JWKS_FILE`,
    ];
  }
  if (secret.length < SHORTEST_SECRET) {
    return [`the secret for HS256 is too short; allowed: ${SHORTEST_SECRET} characters or more`];
  }
  return isWellKnown(secret)
    ? ['the secret for HS256 is one that everybody knows; `openssl rand -base64 32` makes one']
    : [];
}

const SECRETS = [
  'KAFKA_PASSWORD',
  'SCHEMA_REGISTRY_PASSWORD',
  'S3_SECRET_ACCESS_KEY',
  'TEMPORAL_API_KEY',
  'ERASURE_KEY',
  'ERASURE_KEY_FILE',
] as const satisfies VariableName[];

const URLS = ['DATABASE_URL', 'REDIS_URL'] as const satisfies VariableName[];

function wellKnownSecrets(values: Partial<Values>): string[] {
  const secrets = SECRETS.map((name) => [name, values[name]] as const);
  const passwords = URLS.map((name) => [name, passwordOf(values[name])] as const);
  return [...secrets, ...passwords].flatMap(([name, secret]) =>
    secret && isWellKnown(secret)
      ? [`${name} holds a secret that everybody knows; allowed in production: one of your own`]
      : [],
  );
}

function passwordOf(url: string | undefined): string | undefined {
  const password = URL.parse(url ?? '')?.password;
  try {
    return password && decodeURIComponent(password);
  } catch {
    return password;
  }
}
