import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { ApiEnv } from './env.ts';

/** Times each request under its route's pattern, never its path, and logs it at debug level. */
export function observeRequests(metrics: Metrics, logger: Logger): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const started = performance.now();
    await next();
    const seconds = (performance.now() - started) / 1_000;
    // Middleware is registered under wildcards; of the routes that match, the first answers, as /dead-letters/export does
    // before /dead-letters/:id. One that was refused before its turn is told as well.
    const route = matchedRoutes(c).find(({ path }) => !path.includes('*'))?.path ?? 'unmatched';
    const labels = { method: c.req.method, route, status: c.res.status };
    metrics.httpRequestSeconds.observe(labels, seconds);
    logger.debug('request', { ...labels, durationMs: Math.round(seconds * 1_000), requestId: c.get('requestId') });
  };
}
