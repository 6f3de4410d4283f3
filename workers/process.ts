/** What every process does around its work: read the configuration, log, drain on a signal, fail loudly. */
import { EVENT_TYPES } from '../domain/events.ts';
import { PERSONAL_FIELDS } from '../domain/pii-columns.ts';
import { type Config, ConfigError, loadConfig } from '../platform/config.ts';
import { keepHeapSmall } from '../platform/heap.ts';
import { createLogger, type Logger } from '../platform/logger.ts';
import { createMetrics, type Metrics } from '../platform/metrics.ts';
import { type ShutdownStep, shutDown, shutDownOnSignal } from '../platform/shutdown.ts';

export interface Context {
  config: Config;
  logger: Logger;
  metrics: Metrics;
}

export interface Work {
  /** Rejects when the process can't go on. */
  ended: Promise<void>;
  /** In order. */
  closing: ShutdownStep[];
}

/** Runs a process until a signal ends it (exit code 0 after a clean drain) or its work fails (exit code 1). */
export async function runProcess(service: string, start: (context: Context) => Promise<Work>): Promise<void> {
  keepHeapSmall();
  const config = readConfig();
  const logger = createLogger({ level: config.log.level, service, personal: PERSONAL_FIELDS });
  for (const warning of config.warnings) {
    logger.warn(warning);
  }
  try {
    const { ended, closing } = await start({ config, logger, metrics: createMetrics() });
    shutDownOnSignal(
      { drain: () => shutDown(closing, { graceMs: config.shutdownGraceMs, logger }), flush: () => logger.close() },
      { logger },
    );
    await ended;
  } catch (error) {
    logger.error(`the ${service} can not go on`, { error });
    await logger.close();
    process.exit(1);
  }
}

function readConfig(): Config {
  try {
    return loadConfig(process.env, EVENT_TYPES);
  } catch (error) {
    if (!(error instanceof ConfigError)) {
      throw error;
    }
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
