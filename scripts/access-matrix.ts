// Prints who may do what over the API, from its routes: node scripts/access-matrix.ts. Its table is in docs/ACCESS-MATRIX.md.
import { Writable } from 'node:stream';
import { openApiServers } from '../api/server.ts';
import { startApi } from '../api/start.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/logger.ts';
import { createMetrics } from '../platform/metrics.ts';
import { accessMatrix, renderMatrix } from './lib/access-matrix.ts';

// The API tells its routes without any of its servers, which need not be up; what it misses them for is not of interest.
const config = loadConfig({ API_HOST: '127.0.0.1', API_PORT: '0' }, EVENT_TYPES);
const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
const logger = createLogger({ level: 'error', service: 'access-matrix', stream: silent });
const api = await startApi(config, openApiServers(config, logger).servers, { logger, metrics: createMetrics() });
const response = await fetch(`http://127.0.0.1:${api.port}/openapi.json`);
const document: unknown = await response.json();
// What it asks its servers meanwhile is not waited for.
process.stdout.write(`${renderMatrix(accessMatrix(document))}\n`, () => process.exit());
