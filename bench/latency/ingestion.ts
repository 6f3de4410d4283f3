// Our live reading as users run it: worker processes, as they come, that Temporal tells to read topics.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { createIngestionControl } from '../../adapters/temporal/control.ts';
import { ingestionSettings } from '../../api/start.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import type { TopicRole } from '../../domain/schemas.ts';
import { loadConfig } from '../../platform/config.ts';
import { sweepId } from '../../workflows/contracts.ts';
import { maintenanceScheduleId } from '../../workflows/maintenance-contracts.ts';
import { type Child, startChild } from '../contestants/child.ts';
import { workerEnv } from '../contestants/path.ts';
import type { Environment } from '../environment.ts';
import { WORKER } from '../product.ts';

export interface Ingestion {
  consumerGroup: string;
  /** Of the first worker process. */
  pid: number;
  /** @throws Error with the log file's path when a process has ended */
  assertRunning(): void;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const LOOK_MS = 50;
/** What a worker logs when it can be given work. */
const POLLS = 'worker polls for lanes';

/**
 * Starts reading topics from their beginning.
 * @param workers processes, of which each may run its share of the lanes and no more
 */
export async function startIngestion(
  environment: Environment,
  databaseUrl: string,
  topics: Readonly<Record<TopicRole, string>>,
  workers = 1,
): Promise<Ingestion> {
  const { temporal, namespace, logs, backlog } = environment;
  const consumerGroup = `bench-live-${randomUUID().slice(0, 8)}`;
  const plain = workerEnv({ ...environment, backlog: { ...backlog, topics } }, databaseUrl, consumerGroup);
  const settings = ingestionSettings(loadConfig(plain, EVENT_TYPES));
  const env = workers === 1 ? plain : { ...plain, WORKER_MAX_LANES: String(Math.ceil(settings.lanes / workers)) };
  const control = createIngestionControl(temporal, namespace);
  const children: Child[] = [];
  const stop = async () => {
    await control.stop(consumerGroup).catch(() => {}); // a worker that has died can't stop: its workflow goes with the server
    await Promise.all(children.map((child) => child.stop()));
    await deleteSchedules(temporal, consumerGroup);
  };
  try {
    for (let nth = 1; nth <= workers; nth += 1) {
      const log = path.join(logs, `${consumerGroup}-${nth}.log`);
      const child = await startChild(process.execPath, [WORKER], env, log);
      children.push(child);
      await untilPolling(child, log);
    }
    await control.start(settings);
    return {
      consumerGroup,
      pid: children[0]?.pid ?? 0,
      assertRunning: () => {
        for (const child of children) child.assertRunning();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What the worker had Temporal do every minute and every day would go to the workers of the next measurement. */
async function deleteSchedules({ schedule }: Client, consumerGroup: string): Promise<void> {
  for (const id of [sweepId(consumerGroup), maintenanceScheduleId(consumerGroup)]) {
    await schedule
      .getHandle(id)
      .delete()
      .catch(() => {}); // a worker that did not come so far has made none
  }
}

/** Lanes are dealt once all workers can take one, so that no worker's start is measured. */
async function untilPolling(child: Child, log: string): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    child.assertRunning();
    if ((await readFile(log, 'utf8').catch(() => '')).includes(POLLS)) return;
    await sleep(LOOK_MS);
  }
  throw new Error(`a worker did not start within ${START_TIMEOUT_MS / 1_000} s; see ${log}`);
}
