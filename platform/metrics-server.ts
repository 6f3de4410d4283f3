/** Metrics and health of a process without an API. */
import { Hono } from 'hono';
import type { Registry } from 'prom-client';
import type { Health } from './health.ts';
import { type Listening, listen } from './http-server.ts';

/**
 * Serves GET /metrics (Prometheus), /health (503 when something needed is down) and /health/live.
 * @throws when the port is taken
 */
export function startMetricsServer(
  options: { host: string; port: number },
  deps: { registry: Registry; health: Health },
): Promise<Listening> {
  return listen(createMetricsApp(deps).fetch, options);
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
