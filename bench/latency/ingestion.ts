// Our live reading as users run it: a worker process, as it comes, that Temporal tells to read topics.
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createIngestionControl } from '../../adapters/temporal/control.ts';
import { ingestionSettings } from '../../api/start.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import type { TopicRole } from '../../domain/schemas.ts';
import { loadConfig } from '../../platform/config.ts';
import { startChild } from '../contestants/child.ts';
import { workerEnv } from '../contestants/path.ts';
import type { Environment } from '../environment.ts';

const WORKER = fileURLToPath(new URL('../../workers/worker.ts', import.meta.url));

export interface Ingestion {
  consumerGroup: string;
  /** Of the worker process. */
  pid: number;
  /** @throws Error with the log file's path when the process has ended */
  assertRunning(): void;
  stop(): Promise<void>;
}

/** Starts reading topics from their beginning. */
export async function startIngestion(
  environment: Environment,
  databaseUrl: string,
  topics: Readonly<Record<TopicRole, string>>,
): Promise<Ingestion> {
  const { temporal, namespace, logs, backlog } = environment;
  const consumerGroup = `bench-steady-${randomUUID().slice(0, 8)}`;
  const env = workerEnv({ ...environment, backlog: { ...backlog, topics } }, databaseUrl, consumerGroup);
  const control = createIngestionControl(temporal, namespace);
  const worker = await startChild(process.execPath, [WORKER], env, path.join(logs, `${consumerGroup}.log`));
  try {
    await control.start(ingestionSettings(loadConfig(env, EVENT_TYPES)));
  } catch (error) {
    await worker.stop();
    throw error;
  }
  return {
    consumerGroup,
    pid: worker.pid,
    assertRunning: worker.assertRunning,
    async stop() {
      await control.stop(consumerGroup).catch(() => {}); // a worker that has died can't stop: its workflow goes with the server
      await worker.stop();
    },
  };
}
