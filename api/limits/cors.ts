import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import type { ApiEnv } from '../env.ts';

const DAY_SECONDS = 86_400;

/** Fields of answers that such pages may read. */
export const EXPOSED = ['etag', 'location', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id'];

/**
 * Lets pages of these origins call the API. Identities come in a header that such a page must set itself, never in
 * cookies, so that credentials stay off.
 */
export function allowOrigins(origins: readonly string[]): MiddlewareHandler<ApiEnv> {
  return cors({
    origin: [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: ['authorization', 'content-type', 'if-match', 'x-operator', 'x-request-id'],
    exposeHeaders: EXPOSED,
    credentials: false,
    maxAge: DAY_SECONDS,
  });
}
