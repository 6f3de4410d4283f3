/** `npm run worker`: reads and writes, with metrics and health on a port of its own. */
import { createHealth } from '../platform/health.ts';
import { startMetricsServer } from '../platform/metrics-server.ts';
import { runProcess } from './process.ts';
import { startIngestionWorker } from './runtime.ts';

await runProcess('worker', async ({ config, logger, metrics }) => {
  const worker = startIngestionWorker(config, { logger, metrics });
  const health = createHealth(worker.health, { logger });
  const http = await startMetricsServer(config.worker, { health, logger, metrics });
  logger.info('metrics and health listen', { host: http.host, port: http.port });
  // Not waited for: a server that refuses us is in the log from the start, and not only when somebody asks.
  void health.report();
  return { ended: worker.ended, closing: [...worker.closing, { name: 'HTTP server', run: () => http.close() }] };
});
