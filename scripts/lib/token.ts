/** What `npm run token` makes. */
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { MOST_KEY_DAYS } from '../../activities/api-key-ports.ts';
import { createApiKeys } from '../../adapters/postgres/api-keys.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { newApiKey } from '../../api/auth/api-key.ts';
import { principalOf } from '../../api/auth/claims.ts';
import type { TokenConfig } from '../../platform/auth-config.ts';
import type { Config } from '../../platform/config.ts';
import { INSTALLATION, withinScope } from '../../platform/scope.ts';
import type { TokenOptions } from './token-options.ts';

export interface Made {
  token: string;
  /** For people. */
  notes: string[];
}

/** Nothing could be made; the message says what to do about it. */
export class NoTokenError extends Error {
  override readonly name = 'NoTokenError';
}

const DAY_SECONDS = 86_400;

/** As the table takes it. */
const MOST_KEY_NAME = 100;

const HOW_TO = `No secret signs tokens here. Make one, and have the API take what it signs:
  echo "AUTH_MODE=jwt" >> .env
  echo "AUTH_HS256_SECRET=$(openssl rand -base64 32)" >> .env
  echo "AUTH_ISSUER=laptop" >> .env
  echo "AUTH_AUDIENCE=crm-ingestion" >> .env`;

/** @throws NoTokenError */
export async function makeToken(
  { auth, nodeEnv }: Pick<Config, 'auth' | 'nodeEnv'>,
  options: TokenOptions,
): Promise<Made> {
  if (nodeEnv !== 'development') {
    throw new NoTokenError(`NODE_ENV is ${nodeEnv}: there the issuer makes tokens, and --api-key makes keys`);
  }
  const { tokens } = auth;
  if (tokens === null) throw new NoTokenError(HOW_TO);
  if (tokens.keys.kind !== 'secret') {
    throw new NoTokenError('The API takes tokens of an issuer with keys of its own, which alone can make them');
  }
  if (options.ttl > tokens.maxLifetimeSeconds) {
    throw new NoTokenError(
      `--ttl is ${options.ttl} s; allowed: at most AUTH_MAX_LIFETIME_SECONDS (${tokens.maxLifetimeSeconds})`,
    );
  }
  const now = Math.floor(Date.now() / 1_000);
  const claims = claimsOf(tokens, options);
  checkClaims({ ...claims, sub: options.subject }, tokens);
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer(tokens.issuer)
    .setAudience(tokens.audience)
    .setSubject(options.subject)
    .setIssuedAt(now)
    .setExpirationTime(now + options.ttl)
    .setJti(randomUUID())
    .sign(new TextEncoder().encode(tokens.keys.secret));
  const off = auth.mode === 'off' ? ['AUTH_MODE is off: the API lets everyone in, and does not look at it'] : [];
  return { token, notes: [`${summary(options)}, until ${iso(now + options.ttl)}`, ...off] };
}

/** Straight into the table. @throws NoTokenError, and what the database says */
export async function makeApiKey({ postgres }: Pick<Config, 'postgres'>, options: TokenOptions): Promise<Made> {
  if (options.ttl > MOST_KEY_DAYS * DAY_SECONDS) {
    throw new NoTokenError(`--ttl is ${options.ttl / DAY_SECONDS} days; allowed: at most ${MOST_KEY_DAYS}`);
  }
  if (options.subject.length > MOST_KEY_NAME) {
    throw new NoTokenError(`--subject is longer than ${MOST_KEY_NAME} characters`);
  }
  checkClaims({ sub: options.subject, organizations: options.organization ?? '*' }, CLAIMS);
  const { key, ...made } = newApiKey();
  const pool = await createDatabasePool({ ...postgres, poolSize: 1, applicationName: 'crm-token' });
  try {
    const kept = await withinScope(INSTALLATION, () =>
      createApiKeys(pool).create({
        ...made,
        name: options.subject,
        grants: options.role,
        organizations: options.organization,
        createdBy: 'npm run token',
        lifetimeMs: options.ttl * 1_000,
      }),
    );
    const note = `API key ${kept.keyId}: ${summary(options)}, until ${kept.expiresAt}; it is shown this once`;
    return { token: key, notes: [note] };
  } finally {
    await pool.end();
  }
}

const CLAIMS = { rolesClaim: 'roles', organizationsClaim: 'organizations' };

/** Under their very names, which are looked for before dots are. */
function claimsOf({ rolesClaim, organizationsClaim }: TokenConfig, { role, organization }: TokenOptions) {
  return { [rolesClaim]: role, [organizationsClaim]: organization ?? '*' };
}

/** The API would refuse it; better now than then. */
function checkClaims(claims: object, names: typeof CLAIMS): void {
  try {
    principalOf(claims, names);
  } catch (error) {
    throw new NoTokenError(`--subject or --organization: ${error instanceof Error ? error.message : 'unusable'}`);
  }
}

function summary({ subject, role, organization }: TokenOptions): string {
  const whose = organization === null ? 'the whole installation' : organization.join(', ');
  return `${subject} as ${role.join(', ')} for ${whose}`;
}

function iso(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}
