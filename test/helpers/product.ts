import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { sql } from 'slonik';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { createLogReader } from '../../adapters/kafka/reader.ts';
import { dataConverterOf } from '../../adapters/temporal/codec.ts';
import { createClient } from '../../adapters/temporal/connection.ts';
import { createIngestionControl } from '../../adapters/temporal/control.ts';
import { lagOf, readProgress } from '../../scripts/lib/log-progress.ts';
import { temporalCli } from '../../stack/index.ts';
import { type IngestionSettings, ingestionWorkflowId, sweepId } from '../../workflows/contracts.ts';
import { maintenanceScheduleId } from '../../workflows/maintenance-contracts.ts';
import { brokenBooksIn, statusesIn } from './books.ts';
import { built } from './build.ts';
import { createTestDatabase, required } from './database.ts';
import { createTestTopics } from './lane-harness.ts';
import { as } from './logins.ts';

const run = promisify(execFile);

/** The product as it is deployed: worker processes, a namespace, a database, topics and a consumer group of one test. */
export async function createProduct(
  options: { partitions?: number; env?: Record<string, string>; topicConfig?: Record<string, string> } = {},
) {
  const {
    client: kafka,
    topics,
    names,
    schemaIds,
    admin,
  } = await createTestTopics(options.partitions ?? 6, options.topicConfig);
  const { pool, url } = await createTestDatabase();
  const reader = createLogReader(kafka, { maxWaitMs: 500 });
  onTestFinished(() => reader.close());
  const namespace = `test-${randomUUID()}`;
  const temporal = createClient({
    ...{ address: required('TEMPORAL_ADDRESS'), namespace, tls: null, apiKey: null },
    dataConverter: dataConverterOf(options.env?.TEMPORAL_CODEC_KEYS ?? null),
  });
  await temporal.connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 } as never,
  });
  await untilNamespaceIsKnown(temporal);
  const control = createIngestionControl(temporal, namespace);
  const consumerGroup = `group-${randomUUID().slice(0, 8)}`;
  const settings: IngestionSettings = {
    consumerGroup,
    topics: names,
    lanes: 4,
    startPosition: 'earliest',
    outOfRange: 'earliest',
    sliceMs: 60_000,
    laneTimeoutMs: 5_000,
  };
  const logs = await mkdtemp(join(tmpdir(), 'crm-product-'));
  const env = {
    PATH: process.env.PATH ?? '',
    NODE_ENV: 'development',
    KAFKA_BROKERS: required('KAFKA_BROKERS'),
    KAFKA_CONSUMER_GROUP_ID: consumerGroup,
    SCHEMA_REGISTRY_URL: required('SCHEMA_REGISTRY_URL'),
    // As an API has it. No process is more than its roles; tests look on as the owner.
    DATABASE_URL: as('crm_test_api', url),
    REDIS_URL: required('REDIS_URL'),
    // Other tests share the Redis, and their workers would take our jobs.
    RETRY_QUEUE_PREFIX: consumerGroup,
    TEMPORAL_ADDRESS: required('TEMPORAL_ADDRESS'),
    TEMPORAL_NAMESPACE: namespace,
    CRM_EVENTS_TOPIC: topics.events,
    CRM_LEADS_TOPIC: topics.leads,
    CRM_CONTACTS_TOPIC: topics.contacts,
    CRM_OPPORTUNITIES_TOPIC: topics.opportunities,
    ...options.env,
  };

  let workers = 0;
  const children: ChildProcess[] = [];
  onTestFinished(async () => {
    await control.stop(consumerGroup, { waitMs: 5_000 }).catch(() => {});
    for (const child of children) {
      child.kill('SIGKILL');
    }
    // Namespaces stay for a day, and their schedules would go on through all tests that follow.
    for (const schedule of [sweepId(consumerGroup), maintenanceScheduleId(consumerGroup)]) {
      await temporal.schedule
        .getHandle(schedule)
        .delete()
        .catch(() => {});
    }
    await control.close();
  });

  /** A worker process of its own, as `npm run worker` starts it. */
  function startWorker(extra: Record<string, string> = {}): ChildProcess {
    workers += 1;
    // Port 0: metrics and health of test workers listen wherever there is room.
    const own = { ...env, WORKER_PORT: '0', ...extra };
    const child = spawn(process.execPath, [built('workers/worker.js')], {
      env: { ...own, DATABASE_URL: as('crm_test_worker', own.DATABASE_URL) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = createWriteStream(join(logs, `worker-${workers}.log`));
    child.stdout?.pipe(log);
    child.stderr?.pipe(log);
    children.push(child);
    return child;
  }

  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    return child.exitCode;
  }

  const count = (table: string) =>
    pool.oneFirst(
      sql.type(z.object({ count: z.number() }))`SELECT count(*) FROM ${sql.identifier(['analytics', table])}`,
    );

  /** Records that are not ingested yet; infinitely many before every partition has a position. */
  const lag = async () => lagOf(await readProgress({ reader, pool, topics: names, consumerGroup }));

  /** The Temporal CLI as an operator uses it. */
  async function temporalCommand(...args: string[]): Promise<string> {
    const { stdout } = await run(
      await temporalCli(),
      [...args, '--address', env.TEMPORAL_ADDRESS, '--namespace', namespace],
      {
        maxBuffer: 256 * 1024 * 1024,
      },
    );
    return stdout;
  }

  return {
    kafka,
    admin,
    topics,
    names,
    schemaIds,
    pool,
    reader,
    temporal,
    control,
    settings,
    consumerGroup,
    workflowId: ingestionWorkflowId(consumerGroup),
    env,
    startWorker,
    end,
    count,
    statuses: () => statusesIn(pool),
    lag,
    brokenBooks: () => brokenBooksIn(pool),
    temporalCommand,
    workerLogs: async () =>
      Promise.all(
        Array.from({ length: workers }, (_, index) => readFile(join(logs, `worker-${index + 1}.log`), 'utf8')),
      ),
  };
}

/** The frontend notices a new namespace after a moment. */
async function untilNamespaceIsKnown(temporal: ReturnType<typeof createClient>): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      await temporal.workflow.count();
      return;
    } catch {
      await sleep(200);
    }
  }
  throw new Error('Temporal does not know the new namespace after 20 s');
}
