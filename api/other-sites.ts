import type { MiddlewareHandler } from 'hono';
import type { ApiEnv } from './env.ts';
import { problem } from './errors.ts';

const HARMLESS = ['GET', 'HEAD', 'OPTIONS'];

/**
 * A page of another site must not be able to stop an ingestion through the browser of whoever looks at it, which reaches
 * ports that the site does not. Browsers say where a request comes from (Fetch Metadata, `sec-fetch-site`); other clients
 * say nothing.
 * @param allowed origins whose pages may
 */
export function refuseOtherSites(allowed: readonly string[]): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const site = c.req.header('sec-fetch-site');
    const isOwn = site === undefined || site === 'same-origin' || site === 'none';
    if (isOwn || HARMLESS.includes(c.req.method) || allowed.includes(c.req.header('origin') ?? '')) return next();
    return problem(c, 'forbidden', 'Requests that change something are not taken from pages of other sites.');
  };
}
