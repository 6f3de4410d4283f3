/** `npm start`: worker and API in one process, for a laptop. */
import { openApiServers } from '../api/server.ts';
import { startApi } from '../api/start.ts';
import { runProcess } from './process.ts';
import { startIngestionWorker } from './runtime.ts';

await runProcess('all', async ({ config, logger, metrics }) => {
  const { servers, closing } = openApiServers(config, logger);
  const api = await startApi(config, servers, { logger, metrics });
  const worker = startIngestionWorker(config, { logger, metrics });
  return {
    ended: worker.ended,
    closing: [{ name: 'HTTP server', run: () => api.close() }, ...worker.closing, ...closing],
  };
});
