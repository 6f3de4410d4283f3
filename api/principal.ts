/** Who asks, and what they may see or do. The authentication hook says; the handlers only read it. */
import type { MiddlewareHandler } from 'hono';
import type { ApiEnv } from './env.ts';

export type Permission =
  /** See personal data unmasked. */
  'pii:read';

export interface Principal {
  /** As requests, corrections and approvals are signed. */
  name: string;
  permissions: ReadonlySet<Permission>;
}

/** Longest name that the tables take. */
const MAX_NAME = 255;

/**
 * Lets everyone in who reaches the port: for a laptop, until authentication is configured. People call themselves what
 * they like by the header `x-operator`.
 * @param showPersonalData whether everyone may see personal data
 */
export function allowEveryone(showPersonalData: boolean): MiddlewareHandler<ApiEnv> {
  const permissions = new Set<Permission>(showPersonalData ? ['pii:read'] : []);
  return async (c, next) => {
    const name = c.req.header('x-operator')?.trim().slice(0, MAX_NAME);
    c.set('principal', { name: name ? name : 'anonymous', permissions });
    await next();
  };
}
