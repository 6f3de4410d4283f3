/** The worker as `worker.ts` runs it alone and `all.ts` beside the API. */
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { NativeConnection } from '@temporalio/worker';
import { dataConverterOf } from '../adapters/temporal/codec.ts';
import { connectWorkers } from '../adapters/temporal/connection.ts';
import { keepMaintenanceSchedule, keepSweepSchedule } from '../adapters/temporal/schedules.ts';
import { installRuntime } from '../adapters/temporal/sdk-logger.ts';
import { createIngestionWorkers } from '../adapters/temporal/workers.ts';
import type { Config } from '../platform/config.ts';
import type { HealthCheck } from '../platform/health.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { ShutdownStep } from '../platform/shutdown.ts';
import { explainRefusal, suspectRefusal } from '../platform/tls-explain.ts';
import { startRetryWorker } from './retries.ts';
import { openServers, type WorkerServers } from './servers.ts';
import { workflowSource } from './workflow-source.ts';

const CONNECT_AGAIN_MS = 2_000;

export interface IngestionWorker {
  /** Resolves after a shutdown; rejects when the worker can't go on. */
  ended: Promise<void>;
  health: Record<string, HealthCheck>;
  /** In order: hand over, then close. */
  closing: ShutdownStep[];
}

/** Starts working; servers that are down are waited for. */
export function startIngestionWorker(config: Config, deps: { logger: Logger; metrics: Metrics }): IngestionWorker {
  const identity = `${hostname()}:${process.pid}`;
  const servers = openServers(config, identity, deps);
  const retries = startRetryWorker(config, servers.retries, deps);
  const stop = new AbortController();
  const ended = work(config, identity, servers, deps.logger, stop.signal);
  return {
    ended,
    health: servers.health,
    closing: [
      {
        name: 'lanes and workflows',
        run: () => {
          stop.abort();
          return ended;
        },
      },
      retries,
      ...servers.closing,
    ],
  };
}

async function work(
  config: Config,
  identity: string,
  { activities }: WorkerServers,
  logger: Logger,
  stop: AbortSignal,
): Promise<void> {
  installRuntime(logger);
  const connection = await connect(config, logger, stop);
  if (connection === null) {
    return;
  }
  try {
    const workers = await createIngestionWorkers(connection, {
      namespace: config.temporal.namespace,
      identity,
      activities,
      workflows: workflowSource(),
      maxLanes: config.worker.maxLanes,
      maxReplayLanes: config.worker.maxReplayLanes,
      buildId: config.temporal.buildId,
      dataConverter: dataConverterOf(config.temporal.codecKeys),
    });
    if (stop.aborted) {
      return;
    }
    stop.addEventListener('abort', () => workers.shutdown(), { once: true });
    logger.info('worker polls for lanes and workflows', { identity, maxLanes: config.worker.maxLanes });
    const scheduled = keepSchedule(connection, config, logger, stop);
    await workers.run();
    await scheduled;
  } finally {
    // A worker that was made but never ran keeps the connection; what went wrong with another must not be hidden by that.
    await connection.close().catch((error) => logger.warn('the connection to Temporal did not close', { error }));
  }
}

/** @returns null when told to stop before Temporal answered */
async function connect({ temporal }: Config, logger: Logger, stop: AbortSignal): Promise<NativeConnection | null> {
  while (!stop.aborted) {
    try {
      return await connectWorkers(temporal);
    } catch (error) {
      const reason = explainRefusal('temporal', error) ?? suspectRefusal('temporal', error);
      const fields = { address: temporal.address, ...(reason !== null && { reason }), error };
      logger.warn('Temporal can not be reached, trying again', fields);
      await delay(CONNECT_AGAIN_MS, undefined, { signal: stop }).catch(() => undefined);
    }
  }
  return null;
}

/** Makes the schedules, whatever it takes: retries that Redis forgot depend on that of the sweep. */
async function keepSchedule(
  connection: NativeConnection,
  { temporal: { namespace, codecKeys }, kafka: { consumerGroup }, maintenance: { cron } }: Config,
  logger: Logger,
  stop: AbortSignal,
): Promise<void> {
  const where = { namespace, consumerGroup, dataConverter: dataConverterOf(codecKeys) };
  for (let tries = 1; !stop.aborted; tries += 1) {
    try {
      await keepSweepSchedule(connection, where);
      await keepMaintenanceSchedule(connection, { ...where, cron });
      return;
    } catch (error) {
      if (tries === 1) logger.warn('the schedules can not be made, trying again', { error });
      await delay(CONNECT_AGAIN_MS, undefined, { signal: stop }).catch(() => undefined);
    }
  }
}
