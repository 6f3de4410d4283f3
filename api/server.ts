/** The composition root of `npm run api`: configuration → connections → API → shutdown. */

import { scryptSync } from 'node:crypto';
import { dryRun } from '../activities/redrive-plan.ts';
import { createSuppressionList } from '../activities/suppression.ts';
import { createKafka } from '../adapters/kafka/client.ts';
import { createLogReader } from '../adapters/kafka/reader.ts';
import { localKeys } from '../adapters/keys/index.ts';
import { createTrailObserver } from '../adapters/observe/audit-trail.ts';
import { createApiKeys } from '../adapters/postgres/api-keys.ts';
import { createAuditLog } from '../adapters/postgres/audit-log.ts';
import { createAuditTrail } from '../adapters/postgres/audit-trail.ts';
import { createAuditRequests } from '../adapters/postgres/audits.ts';
import { readBooks } from '../adapters/postgres/books.ts';
import { chainTotals } from '../adapters/postgres/counters.ts';
import { createDataKeys } from '../adapters/postgres/data-keys.ts';
import { createDeadLetters } from '../adapters/postgres/dead-letters.ts';
import { openDryLane } from '../adapters/postgres/dry-lane.ts';
import { createErasureRequests } from '../adapters/postgres/erasures.ts';
import { guarded } from '../adapters/postgres/errors.ts';
import { createFailedEvents } from '../adapters/postgres/failed-events.ts';
import { createEntityHistories } from '../adapters/postgres/history.ts';
import { loadLateRules } from '../adapters/postgres/late-policies.ts';
import { createLegalHolds } from '../adapters/postgres/legal-holds.ts';
import { createMaintenanceRuns } from '../adapters/postgres/maintenance-runs.ts';
import { createPartitionCatalog } from '../adapters/postgres/partition-catalog.ts';
import { createDatabasePool, pingDatabase } from '../adapters/postgres/pool.ts';
import { createPositions } from '../adapters/postgres/positions.ts';
import { createQuotas } from '../adapters/postgres/quotas.ts';
import { createRedrives } from '../adapters/postgres/redrives.ts';
import { createReplays } from '../adapters/postgres/replays.ts';
import { createRetentionRules } from '../adapters/postgres/retention.ts';
import { createStreams } from '../adapters/postgres/streams.ts';
import { createSuppressionSource } from '../adapters/postgres/suppression.ts';
import { openLimiters } from '../adapters/rate-limits/limiters.ts';
import { createEventDecoder, pingRegistry } from '../adapters/registry/index.ts';
import { openRetryQueue } from '../adapters/retries/queue.ts';
import { createAuditControl } from '../adapters/temporal/audit-control.ts';
import { dataConverterOf } from '../adapters/temporal/codec.ts';
import { createClient } from '../adapters/temporal/connection.ts';
import { createIngestionControl } from '../adapters/temporal/control.ts';
import { createErasureControl } from '../adapters/temporal/erasure-control.ts';
import { createMaintenanceControl } from '../adapters/temporal/maintenance-control.ts';
import { createRedriveControl } from '../adapters/temporal/redrive-control.ts';
import { createReplayControl } from '../adapters/temporal/replay-control.ts';
import { trailDigest } from '../domain/audit-trail.ts';
import { createIdentifierHash } from '../domain/suppression.ts';
import type { Config } from '../platform/config.ts';
import { forwarded, lazily } from '../platform/lazily.ts';
import type { Logger } from '../platform/logger.ts';
import { INSTALLATION, withinScope } from '../platform/scope.ts';
import type { ShutdownStep } from '../platform/shutdown.ts';
import { CHUNK_BYTES, openFiles, withFiles } from '../workers/files.ts';
import { ingestRules } from '../workers/ingest-rules.ts';
import { runProcess } from '../workers/process.ts';
import { createDryRunIds } from './dry-run-id.ts';
import { createRedriveDesk } from './redrive-desk.ts';
import { createReplayDesk } from './replay-desk.ts';
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
  const temporal = createClient({ ...config.temporal, dataConverter: dataConverterOf(config.temporal.codecKeys) });
  const control = createIngestionControl(temporal, config.temporal.namespace);
  const queue = openRetryQueue(
    { ...config.redis, ...config.retries.queue, keepJobsSeconds: config.retries.keepJobsSeconds },
    logger.child({ component: 'retries' }),
  );
  const limiters = openLimiters(
    {
      ...config.redis,
      prefix: config.retries.queue.prefix,
      secret: scryptSync(config.postgres.url, 'crm-ingestion rate limits', 32),
    },
    logger.child({ component: 'limits' }),
  );
  const pool = lazily(
    () => createDatabasePool({ ...config.postgres, applicationName: `${config.kafka.clientId}-api`, scoped: true }),
    (opened) => opened.end(),
  );
  const trailObserver = createTrailObserver(logger.child({ component: 'audit log' }));
  const decoder = withFiles(createEventDecoder(config.registry));
  const files = openFiles(config);
  const dataKeys = createDataKeys(localKeys(config.personalData));
  const redrives = forwarded(async () => createRedrives(await guarded(() => pool.get())));
  const failed = forwarded(async () => createFailedEvents(await guarded(() => pool.get()), dataKeys));
  // Kept for all requests, whosever is the first.
  const lateRules = () => withinScope(INSTALLATION, async () => loadLateRules(await guarded(() => pool.get())));
  const suppression = createSuppressionList(
    {
      since: (version) =>
        withinScope(INSTALLATION, async () => createSuppressionSource(await guarded(() => pool.get())).since(version)),
    },
    config.erasure.key === null ? null : createIdentifierHash(config.erasure.key),
  );
  const dryRunDeps = {
    redrives,
    failed,
    decoder,
    rules: ingestRules(config, suppression, lateRules),
    mostRedrives: config.redrives.limit,
  };
  return {
    servers: {
      control,
      reader,
      store: {
        positions: { list: async (scope) => createPositions(await pool.get()).list(scope) },
        streams: forwarded(async () => createStreams(await pool.get())),
      },
      counters: { totals: async (consumerGroup) => chainTotals(await pool.get(), consumerGroup) },
      books: { read: async (consumerGroup) => readBooks(await pool.get(), consumerGroup) },
      audits: forwarded(async () => createAuditRequests(await guarded(() => pool.get()))),
      auditControl: createAuditControl(temporal),
      queue,
      deadLetters: forwarded(async () => createDeadLetters(await guarded(() => pool.get()), dataKeys)),
      lateRules,
      histories: forwarded(async () => createEntityHistories(await guarded(() => pool.get()))),
      decoder,
      redrives: createRedriveDesk({
        redrives,
        control: createRedriveControl(temporal),
        async dryRun(scope) {
          await suppression.refresh();
          return dryRun(dryRunDeps, scope);
        },
        // Every API process has the same. Made slowly, so that an id is no way to guess the password in the URL.
        dryRunIds: createDryRunIds(scryptSync(config.postgres.url, 'crm-ingestion dry runs', 32)),
        approvalOver: config.redrives.approvalOver,
      }),
      replays: createReplayDesk({
        replays: forwarded(async () => {
          const opened = await guarded(() => pool.get());
          return createReplays(opened, async (replayId) => openDryLane(opened, replayId));
        }),
        control: createReplayControl(temporal),
        plan: { reader, topics: Object.values(config.topics), files, chunkBytes: CHUNK_BYTES },
        consumerGroup: config.kafka.consumerGroup,
      }),
      partitions: forwarded(async () =>
        createPartitionCatalog(await guarded(() => pool.get()), config.partitions.interval),
      ),
      maintenance: forwarded(async () => createMaintenanceRuns(await guarded(() => pool.get()))),
      maintenanceControl: createMaintenanceControl(temporal),
      retention: forwarded(async () => createRetentionRules(await guarded(() => pool.get()))),
      quotas: forwarded(async () => createQuotas(await guarded(() => pool.get()))),
      auditLog: forwarded(async () => createAuditLog(await guarded(() => pool.get()))),
      auditTrail: createAuditTrail(() => guarded(() => pool.get()), {
        digest: trailDigest(config.auditLog.key),
        observer: trailObserver,
      }),
      apiKeys: forwarded(async () => createApiKeys(await guarded(() => pool.get()))),
      legalHolds: forwarded(async () => createLegalHolds(await guarded(() => pool.get()))),
      erasures: forwarded(async () => createErasureRequests(await guarded(() => pool.get()))),
      erasureControl: createErasureControl(temporal),
      limiters,
      database: { ping: () => withinScope(INSTALLATION, async () => pingDatabase(await pool.get())) },
      registry: { ping: () => pingRegistry(config.registry) },
    },
    closing: [
      { name: 'temporal client', run: () => control.close() },
      { name: 'kafka reader', run: () => reader.close() },
      { name: 'storage of files', run: async () => files.close() },
      { name: 'retry queue', run: () => queue.close() },
      { name: 'rate limits', run: () => limiters.close() },
      { name: 'audit log', run: async () => trailObserver.close() },
      { name: 'database pool', run: () => pool.close() },
    ],
  };
}

if (import.meta.main) {
  await runProcess('api', async ({ config, logger, metrics }) => {
    const { servers, closing } = openApiServers(config, logger);
    const api = await startApi(config, servers, { logger, metrics });
    return {
      // It goes on until a signal comes: a server that is down is waited for.
      ended: new Promise<void>(() => {}),
      closing: [{ name: 'HTTP server', run: () => api.close() }, ...closing],
    };
  });
}
