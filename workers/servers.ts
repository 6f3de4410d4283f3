/** From configuration to activities: everything a worker reads and writes. */

import { type ActivitiesByQueue, createActivities } from '../activities/index.ts';
import type { LatePoliciesDeps } from '../activities/late-policies.ts';
import { createLiveLag } from '../activities/live-lag.ts';
import type { SuppressionList } from '../activities/ports.ts';
import { createQuotaGate, NO_QUOTAS } from '../activities/quota-gate.ts';
import { createQuotaRules } from '../activities/quota-rules.ts';
import type { LaneOptions } from '../activities/run-lane.ts';
import { createSuppressionList } from '../activities/suppression.ts';
import { createFileReader } from '../adapters/files/index.ts';
import { createKafkaAdmin } from '../adapters/kafka/admin.ts';
import { createKafka } from '../adapters/kafka/client.ts';
import { createPositionMirror } from '../adapters/kafka/mirror.ts';
import { createLogReader } from '../adapters/kafka/reader.ts';
import { localKeys } from '../adapters/keys/index.ts';
import { createBooksObserver } from '../adapters/observe/books-observer.ts';
import { createLaneObserver } from '../adapters/observe/lane-observer.ts';
import { createMaintenanceObserver } from '../adapters/observe/maintenance.ts';
import { observeOverQuota, observeParked } from '../adapters/observe/parked.ts';
import { observePositionMirror } from '../adapters/observe/position-mirror.ts';
import { observeRedriven } from '../adapters/observe/redrives.ts';
import { createReplayObserver, observeReplayed } from '../adapters/observe/replay-observer.ts';
import { observeQueueDepth } from '../adapters/observe/retry-observer.ts';
import { createDataKeys } from '../adapters/postgres/data-keys.ts';
import { createEventDecoder, createSchemaLookup, pingRegistry } from '../adapters/registry/index.ts';
import { openRetryQueue } from '../adapters/retries/queue.ts';
import { trailDigest } from '../domain/audit-trail.ts';
import { createIdentifierHash } from '../domain/suppression.ts';
import type { Config } from '../platform/config.ts';
import type { HealthCheck } from '../platform/health.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { ShutdownStep } from '../platform/shutdown.ts';
import { createSigner } from '../platform/signing.ts';
import { CHUNK_BYTES, openFiles, withFiles } from './files.ts';
import { ingestRules } from './ingest-rules.ts';
import { openStore } from './lazy-store.ts';
import type { RetryServers } from './retries.ts';
import { settleOver } from './settling.ts';

/** Fetching far ahead of a rate would only take the time of live lanes. */
const REPLAY_BUFFER_BYTES = 8 * 2 ** 20;

/** How often the topics are looked at for new partitions. */
const WATCH_INTERVAL_MS = 5_000;

export interface WorkerServers {
  activities: ActivitiesByQueue;
  retries: RetryServers;
  health: Record<string, HealthCheck>;
  /** In order. */
  closing: ShutdownStep[];
}

/**
 * Needs none of the servers to be up: each is connected to with its first use.
 * @param worker names this process in leases and heartbeats
 */
export function openServers(
  config: Config,
  worker: string,
  { logger, metrics }: { logger: Logger; metrics: Metrics },
): WorkerServers {
  const topics = Object.values(config.topics);
  const kafkaLogger = logger.child({ component: 'kafka' });
  const kafka = createKafka({ ...config.kafka, log: (level, message, fields) => kafkaLogger[level](message, fields) });
  const maxBufferedBytes = config.ingestion.bufferMaxBytes;
  const reader = createLogReader(kafka, {
    maxWaitMs: config.kafka.maxWaitMs,
    maxBufferedBytes,
  });
  const replayReader = createLogReader(kafka, {
    maxWaitMs: config.kafka.maxWaitMs,
    maxBufferedBytes: Math.min(maxBufferedBytes, REPLAY_BUFFER_BYTES),
  });
  const decoder = withFiles(createEventDecoder(config.registry));
  const files = openFiles(config);
  const { store, ...database } = openStore(
    { ...config.postgres, applicationName: config.kafka.clientId },
    { partitionInterval: config.partitions.interval, dataKeys: createDataKeys(localKeys(config.personalData)) },
  );
  const queue = openRetryQueue(
    { ...config.redis, ...config.retries.queue, keepJobsSeconds: config.retries.keepJobsSeconds },
    logger.child({ component: 'retries' }),
  );
  observeQueueDepth(queue, metrics);
  const identifiers = config.erasure.key === null ? null : createIdentifierHash(config.erasure.key);
  const suppression = createSuppressionList(database.suppression, identifiers);
  const signer = config.books.signingKey === null ? null : createSigner(config.books.signingKey);
  const options = laneOptions(config, worker, suppression, () => database.lateRules());
  const now = () => performance.now();
  const quotaRules = createQuotaRules(database.quotas, now);
  const maintenance = {
    work: database.maintenance.work(config.partitions.ahead),
    observer: createMaintenanceObserver(metrics, logger.child({ component: 'maintenance' })),
  };
  // What failed long ago says nothing about the producers of now: replays obey the breakers and trip none.
  const replayOptions = { ...options, breaker: { ...options.breaker, share: 1 } };
  return {
    activities: createActivities({
      reader,
      store,
      worker,
      openMirror: (groupId) =>
        observePositionMirror(createPositionMirror(kafka, { ...config.kafka, groupId, topics }), metrics, logger),
      laneDepsFor: ({ lane, runId }) => {
        const observer = createLaneObserver(metrics, logger.child({ lane, ingestionId: runId }));
        const quotas = createQuotaGate({ rules: quotaRules, quotas: database.quotas, observer, now });
        return { reader, decoder, store, observer, retries: queue, quotas, options };
      },
      parked: {
        registry: createSchemaLookup(config.registry),
        observer: createLaneObserver(metrics, logger.child({ component: 'parked' })),
        onParked: (streams) => observeParked(metrics, streams),
        quotas: database.quotas,
        quotaRules,
        onOverQuota: (waiting) => observeOverQuota(metrics, waiting),
      },
      retries: {
        queue,
        async makePartitionsAhead() {
          const made = await database.makePartitionsAhead(config.partitions.ahead);
          maintenance.observer.measured(await maintenance.work.measure());
          return made;
        },
        onEnqueued: (retries) => metrics.sweepEnqueued.inc(retries),
      },
      redrives: {
        decoder,
        rules: options,
        scheduler: queue,
        backoff: config.retries.backoff,
        consumerGroup: config.kafka.consumerGroup,
        mostRedrives: config.redrives.limit,
        onOutcomes: (counts) => observeRedriven(metrics, counts),
        settle: settleOver(store.settler, metrics),
      },
      replays: {
        replays: database.replays,
        plan: { reader, topics, files, chunkBytes: CHUNK_BYTES },
        consumerGroup: config.kafka.consumerGroup,
        laneDepsFor: ({ replayId, part, file }) => {
          const observer = createReplayObserver(metrics, logger.child({ replay: replayId, part }));
          const source = file === null ? replayReader : createFileReader(files, [file], { maxBufferedBytes });
          const quotas = NO_QUOTAS;
          return { reader: source, decoder, store, observer, retries: queue, quotas, options: replayOptions };
        },
        lag: createLiveLag({ positions: store.positions, reader }, config.kafka.consumerGroup),
        yieldLag: config.replays.yieldLag,
        onRead: (replay, totals) => observeReplayed(metrics, replay, totals),
      },
      books: {
        keeper: database.books,
        observer: createBooksObserver(metrics, logger.child({ component: 'books' })),
        foldAfterHours: config.books.foldAfterHours,
      },
      audits: { audits: database.audits, signer },
      erasures: {
        erasures: database.erasures,
        decoder,
        suppression,
        identifiers,
        signer,
        failedRawKeepDays: config.maintenance.failedRawKeepDays,
      },
      maintenance: {
        ...maintenance,
        ...config.maintenance,
        auditLog: { keepDays: config.auditLog.keepDays, digest: trailDigest(config.auditLog.key) },
        runs: database.maintenance.runs,
        askTopicRetention: (topics) => createKafkaAdmin(kafka).retention(topics),
      },
      intervals: { watch: WATCH_INTERVAL_MS, mirror: config.ingestion.mirrorIntervalMs },
    }),
    retries: { reader, decoder, store, queue, rules: options },
    health: {
      database: { needed: true, check: () => database.ping() },
      kafka: { needed: true, check: () => reader.partitions(topics) },
      registry: { needed: true, check: () => pingRegistry(config.registry) },
      redis: { needed: false, check: () => queue.ping() },
    },
    closing: [
      { name: 'kafka reader', run: () => reader.close() },
      { name: 'kafka reader of replays', run: () => replayReader.close() },
      { name: 'storage of files', run: async () => files.close() },
      { name: 'retry queue', run: () => queue.close() },
      { name: 'database pool', run: () => database.close() },
    ],
  };
}

function laneOptions(
  config: Config,
  worker: string,
  suppression: SuppressionList,
  loadLateRules: LatePoliciesDeps['load'],
): LaneOptions {
  const { ingestion } = config;
  return {
    ...ingestRules(config, suppression, loadLateRules),
    breaker: ingestion.breaker,
    maxRecords: ingestion.batchMaxRows,
    maxBytes: ingestion.batchMaxBytes,
    lingerMs: ingestion.batchLingerMs,
    worker,
  };
}
