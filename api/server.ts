/** The composition root of `npm run api`: configuration → connections → API → shutdown. */
import { sql } from 'slonik';
import { createKafka } from '../adapters/kafka/client.ts';
import { createLogReader } from '../adapters/kafka/reader.ts';
import { chainTotals } from '../adapters/postgres/counters.ts';
import { createDatabasePool } from '../adapters/postgres/pool.ts';
import { createPositions } from '../adapters/postgres/positions.ts';
import { pingRegistry } from '../adapters/registry/index.ts';
import { openRetryQueue } from '../adapters/retries/queue.ts';
import { createClient } from '../adapters/temporal/connection.ts';
import { createIngestionControl } from '../adapters/temporal/control.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { type Config, ConfigError, loadConfig } from '../platform/config.ts';
import { createLogger, type Logger } from '../platform/logger.ts';
import { createMetrics } from '../platform/metrics.ts';
import { type ShutdownStep, shutDown, shutDownOnSignal } from '../platform/shutdown.ts';
import { lazily } from './lazily.ts';
import { type ApiServers, startApi } from './start.ts';

/**
 * Connections of the API's own. None of the servers needs to be up: each is connected to with the first question.
 * @returns also the steps that close them, in order
 */
export function openApiServers(config: Config, logger: Logger): { servers: ApiServers; closing: ShutdownStep[] } {
  const kafkaLogger = logger.child({ component: 'kafka' });
  const kafka = createKafka({
    ...config.kafka,
    log: (level, message, fields) => kafkaLogger[level](message, fields),
  });
  const reader = createLogReader(kafka, { maxWaitMs: config.kafka.maxWaitMs });
  const control = createIngestionControl(createClient(config.temporal), config.temporal.namespace);
  const queue = openRetryQueue(config.redis, logger.child({ component: 'retries' }));
  const pool = lazily(
    () => createDatabasePool({ ...config.postgres, applicationName: `${config.kafka.clientId}-api` }),
    (opened) => opened.end(),
  );
  return {
    servers: {
      control,
      reader,
      store: { positions: { list: async (scope) => createPositions(await pool.get()).list(scope) } },
      counters: { totals: async (consumerGroup) => chainTotals(await pool.get(), consumerGroup) },
      queue,
      database: { ping: async () => (await pool.get()).query(sql.unsafe`SELECT 1`) },
      registry: { ping: () => pingRegistry(config.registry) },
    },
    closing: [
      { name: 'temporal client', run: () => control.close() },
      { name: 'kafka reader', run: () => reader.close() },
      { name: 'retry queue', run: () => queue.close() },
      { name: 'database pool', run: () => pool.close() },
    ],
  };
}

async function main(): Promise<void> {
  const config = loadConfig(process.env, EVENT_TYPES);
  const logger = createLogger({ level: config.log.level, service: 'api' });
  for (const warning of config.warnings) logger.warn(warning);
  const { servers, closing } = openApiServers(config, logger);
  const api = await startApi(config, servers, { logger, metrics: createMetrics() });
  const steps = [{ name: 'HTTP server', run: () => api.close() }, ...closing];
  shutDownOnSignal(
    { drain: () => shutDown(steps, { graceMs: config.shutdownGraceMs, logger }), flush: () => logger.close() },
    { logger },
  );
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    // Before there is a logger, or with a port that is taken: a person reads this in a terminal.
    const known = error instanceof ConfigError || (error instanceof Error && 'code' in error);
    process.stderr.write(
      `${known ? error.message : error instanceof Error ? (error.stack ?? error.name) : 'failed'}\n`,
    );
    process.exit(1);
  }
}
