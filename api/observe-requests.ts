import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { ApiEnv } from './env.ts';

/** Times each request under its route's pattern, never its path, and logs it at debug level. */
export function observeRequests(metrics: Metrics, logger: Logger): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const started = performance.now();
    await next();
    const seconds = (performance.now() - started) / 1_000;
    const pattern = routePath(c, -1);
    // Middleware is registered under wildcards, so a pattern with one means that no route matched.
    const labels = { method: c.req.method, route: pattern.includes('*') ? 'unmatched' : pattern, status: c.res.status };
    metrics.httpRequestSeconds.observe(labels, seconds);
    logger.debug('request', { ...labels, durationMs: Math.round(seconds * 1_000), requestId: c.get('requestId') });
  };
}
