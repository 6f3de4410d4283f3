/** The door of the API: finds out who asks, or answers itself. */
import type { Context, MiddlewareHandler } from 'hono';
import type { Logger } from '../../platform/logger.ts';
import type { ApiEnv } from '../env.ts';
import { problem } from '../errors.ts';
import { API_KEY_PREFIX } from './api-key.ts';
import { IdentityUnavailableError } from './keys.ts';
import { type Outcome, refused } from './outcome.ts';

/** `Bearer` and one token in the characters that RFC 6750 allows; two headers arrive as one with a comma and don't fit. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/iu;

const IS_BEARER = /^Bearer(?: |$)/iu;

const RETRY_AFTER_SECONDS = 5;

export interface Checks {
  /** null takes no tokens. @throws IdentityUnavailableError */
  token: ((token: string) => Promise<Outcome>) | null;
  /** @throws WriteError */
  apiKey(key: string): Promise<Outcome>;
  logger: Logger;
}

/** Lets in whoever shows a JWT or an API key as `Authorization: Bearer`. */
export function requireIdentity(checks: Checks): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const header = c.req.header('authorization')?.trim() ?? '';
    if (!IS_BEARER.test(header)) return challenge(c, null);
    try {
      const outcome = await check(header, checks);
      if (!outcome.ok) {
        checks.logger.debug('nobody was let in', { why: outcome.why, requestId: c.get('requestId') });
        return challenge(c, outcome);
      }
      c.set('principal', outcome.principal);
    } catch (error) {
      if (!(error instanceof IdentityUnavailableError)) throw error;
      return problem(c, 'identity-unavailable', 'Tokens can not be checked just now. See /health, and try again.', {
        headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
      });
    }
    return next();
  };
}

async function check(header: string, { token, apiKey }: Checks): Promise<Outcome> {
  const shown = BEARER.exec(header)?.[1];
  if (shown === undefined) return refused('form of the header');
  if (shown.startsWith(API_KEY_PREFIX)) return apiKey(shown);
  return token === null ? refused('no tokens are taken') : token(shown);
}

/** What to do about it, and nothing about why a signature or a secret did not fit. */
function challenge(c: Context<ApiEnv>, outcome: Extract<Outcome, { ok: false }> | null): Response {
  const realm = 'Bearer realm="crm-ingestion"';
  if (outcome === null) {
    const detail = 'Send a token or an API key, as `Authorization: Bearer …`.';
    return problem(c, 'unauthorized', detail, { headers: { 'www-authenticate': realm } });
  }
  const detail = outcome.expired ? 'What you show has expired: get a new one.' : 'What you show is not accepted.';
  return problem(c, 'unauthorized', detail, {
    headers: {
      'www-authenticate': `${realm}, error="invalid_token"${outcome.expired ? ', error_description="expired"' : ''}`,
    },
  });
}
