/** Puts authentication together as the configuration says. */
import type { MiddlewareHandler } from 'hono';
import type { ApiKeys } from '../../activities/api-key-ports.ts';
import type { Config } from '../../platform/config.ts';
import type { HealthCheck } from '../../platform/health.ts';
import type { Logger } from '../../platform/logger.ts';
import type { ApiEnv } from '../env.ts';
import { allowEveryone } from '../principal.ts';
import { createApiKeyCheck } from './api-key-check.ts';
import { requireIdentity } from './authenticate.ts';
import { createKeySource } from './key-source.ts';
import { createTokenCheck } from './token-check.ts';

export interface Authentication {
  authenticate: MiddlewareHandler<ApiEnv>;
  /** Whether tokens can be checked; without keys of an issuer there is nothing to be checked. */
  health: Record<string, HealthCheck>;
}

/** @throws when the key set of a file is none */
export function createAuthentication(
  { auth, api }: Pick<Config, 'auth' | 'api'>,
  keys: Pick<ApiKeys, 'find' | 'touch'>,
  logger: Logger,
): Authentication {
  if (auth.mode === 'off') return { authenticate: allowEveryone(api.showPersonalData), health: {} };
  const apiKey = createApiKeyCheck(keys, { logger });
  if (auth.tokens === null) return { authenticate: requireIdentity({ token: null, apiKey, logger }), health: {} };
  const source = createKeySource(auth.tokens.keys, logger);
  // Asked now, so that an address that is wrong is in the log before anybody comes.
  source.check().catch(() => {});
  return {
    authenticate: requireIdentity({ token: createTokenCheck(source, auth.tokens), apiKey, logger }),
    // API keys are taken without it.
    health: { issuer: { needed: false, check: () => source.check() } },
  };
}
