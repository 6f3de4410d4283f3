/** Metrics and health of a process without an API. */
import { Hono } from 'hono';
import type { Registry } from 'prom-client';
import type { Health } from './health.ts';
import type { Listening } from './http-server.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { ServerTls } from './server-tls.ts';
import { listenWith } from './tls-listen.ts';

/**
 * Serves GET /metrics (Prometheus), /health (503 when something needed is down) and /health/live.
 * @throws when the port is taken, or the certificate can't be used
 */
export function startMetricsServer(
  { host, port, tls }: { host: string; port: number; tls: ServerTls | null },
  { health, logger, metrics }: { health: Health; logger: Logger; metrics: Metrics },
): Promise<Listening> {
  const app = createMetricsApp({ registry: metrics.registry, health });
  return listenWith(tls, app.fetch, { host, port }, { server: 'worker', logger, metrics });
}

export function createMetricsApp({ registry, health }: { registry: Registry; health: Health }): Hono {
  const app = new Hono();
  app.get('/metrics', async (c) => c.body(await registry.metrics(), 200, { 'content-type': registry.contentType }));
  app.get('/health/live', (c) => c.json({ status: 'ok' }));
  app.get('/health', async (c) => {
    const report = await health.report();
    return c.json(report, report.status === 'down' ? 503 : 200);
  });
  return app;
}
