import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { Logger } from '../../platform/logger.ts';

/** What the SDK attaches to every line and helps nobody. */
const NOISE = new Set(['taskToken', 'namespace', 'isLocal', 'workflowType', 'activityId', 'runId']);

/** The SDK's own business, and what a worker does not take, which is how it is meant. */
const UNINTERESTING =
  /^(?:Creating worker|Worker state changed|Workflow bundle created|asset |No \w+ (?:services )?registered)/u;

const LEVELS = { TRACE: 'debug', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/**
 * Sends what the SDK, its native core and workflows log to our logger, and leaves the process's signals to us. Once per
 * process, before the first connection of a worker.
 */
export function installRuntime(logger: Logger): void {
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('DEBUG', ({ level, message, meta }) => {
      const fields = Object.fromEntries(Object.entries(meta ?? {}).filter(([name]) => !NOISE.has(name)));
      const isOurs = fields.sdkComponent !== 'worker' || !UNINTERESTING.test(message);
      logger[isOurs ? LEVELS[level] : 'debug'](message, fields);
    }),
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
  });
}
