/** The API over servers that are open already: alone in its process, or beside a worker that shares them. */

import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type { ApiKeys } from '../activities/api-key-ports.ts';
import type { AuditRequests } from '../activities/audit-ports.ts';
import type { BooksReader } from '../activities/books-ports.ts';
import type { DeadLetters } from '../activities/dead-letter-ports.ts';
import type { EntityHistories } from '../activities/history-ports.ts';
import { contextOf } from '../activities/ingest.ts';
import { locate } from '../activities/log-coordinates.ts';
import type { EventDecoder, LogReader, Store } from '../activities/ports.ts';
import type { RetryJobs } from '../activities/retry-ports.ts';
import type { Streams } from '../activities/stream-ports.ts';
import { NOBODY } from '../activities/suppression.ts';
import type { AuditLog, AuditTrail } from '../activities/trail-ports.ts';
import type { KeepRule } from '../domain/late-data.ts';
import type { Config } from '../platform/config.ts';
import { createHealth, type HealthCheck } from '../platform/health.ts';
import type { Listening } from '../platform/http-server.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import { ingestRules } from '../workers/ingest-rules.ts';
import type { AuditControlPort } from '../workflows/audit-control-port.ts';
import type { IngestionSettings } from '../workflows/contracts.ts';
import type { IngestionControlPort } from '../workflows/control-port.ts';
import { createApp } from './app.ts';
import { createTrailMiddleware } from './audit-trail.ts';
import { createAuthentication } from './auth/index.ts';
import { createNetworkOf } from './limits/client-address.ts';
import { createHttpDoor } from './limits/index.ts';
import type { Limiters } from './limits/limiter.ts';
import type { ApiDeps, IngestionCounters, RetryQueueDepth } from './ports.ts';
import type { RedriveDesk } from './redrive-desk.ts';
import type { ReplayDesk } from './replay-desk.ts';
import { serve } from './serve.ts';
import { createUnidentified } from './unidentified.ts';

/** Everything the API asks. Each `ping` resolves when its server answers. */
export interface ApiServers {
  control: Omit<IngestionControlPort, 'close'>;
  reader: Pick<LogReader, 'bounds' | 'partitions'>;
  store: { positions: Pick<Store['positions'], 'list'>; streams: Streams };
  counters: IngestionCounters;
  books: BooksReader;
  audits: AuditRequests;
  auditControl: AuditControlPort;
  queue: RetryQueueDepth & RetryJobs & { ping(): Promise<void>; board(): BaseAdapter };
  deadLetters: DeadLetters;
  lateRules(): Promise<KeepRule[]>;
  histories: EntityHistories;
  decoder: EventDecoder;
  redrives: RedriveDesk;
  replays: ReplayDesk;
  partitions: ApiDeps['partitions'];
  maintenance: ApiDeps['maintenance'];
  maintenanceControl: ApiDeps['maintenanceControl'];
  retention: ApiDeps['retention'];
  quotas: ApiDeps['quotas'];
  legalHolds: ApiDeps['legalHolds'];
  apiKeys: ApiKeys;
  erasures: ApiDeps['erasures'];
  erasureControl: ApiDeps['erasureControl'];
  auditLog: AuditLog;
  auditTrail: AuditTrail;
  limiters: Limiters;
  database: { ping(): Promise<unknown> };
  registry: { ping(): Promise<unknown> };
}

/**
 * Listens on API_HOST and API_PORT.
 * @throws when the port can't be had
 */
export async function startApi(
  config: Config,
  servers: ApiServers,
  { logger, metrics }: { logger: Logger; metrics: Metrics },
): Promise<Listening> {
  const authentication = createAuthentication(config, servers.apiKeys, logger);
  const settings = ingestionSettings(config);
  const rules = ingestRules(config, NOBODY, () => servers.lateRules());
  const health = createHealth({ ...healthChecks(servers, settings.topics), ...authentication.health }, { logger });
  const door = createHttpDoor(config.httpDoor, servers.limiters, { logger, metrics });
  const networkOf = createNetworkOf(config.httpDoor.trustProxy);
  const unidentified = createUnidentified(servers.auditTrail, logger);
  const app = createApp({
    control: servers.control,
    settings,
    bounds: (partitions) => servers.reader.bounds(partitions),
    positions: (scope) => servers.store.positions.list(scope),
    counters: servers.counters,
    books: servers.books,
    audits: servers.audits,
    auditControl: servers.auditControl,
    streams: servers.store.streams,
    queue: servers.queue,
    jobs: servers.queue,
    boards: [servers.queue.board()],
    locate: (at) => locate(servers.reader, settings.topics, at),
    histories: servers.histories,
    deadLetters: servers.deadLetters,
    decoder: servers.decoder,
    // Corrections are checked like the events that the lanes read.
    validationOf: async (topic) => {
      await rules.late.refresh();
      return contextOf(topic, rules, Date.now());
    },
    redriveOne: (...one) => servers.redrives.redriveOne(...one),
    redrives: servers.redrives,
    replays: servers.replays,
    partitions: servers.partitions,
    maintenance: servers.maintenance,
    maintenanceControl: servers.maintenanceControl,
    retention: servers.retention,
    quotas: servers.quotas,
    legalHolds: servers.legalHolds,
    apiKeys: servers.apiKeys,
    erasures: servers.erasures,
    erasureControl: servers.erasureControl,
    canErase: config.erasure.key !== null,
    health,
    metrics,
    logger,
    limits: door.limits,
    corsOrigins: config.httpDoor.corsOrigins,
    tls: config.httpDoor.tls !== null,
    authenticate: authentication.authenticate,
    auditLog: servers.auditLog,
    auditTrail: createTrailMiddleware({
      trail: servers.auditTrail,
      unidentified,
      addressOf: (c) => (config.auditLog.clientAddresses ? door.addressOf(c.env.incoming) : null),
      networkOf: (c) => (config.auditLog.clientAddresses ? networkOf(c.env.incoming) : null),
      logger,
    }),
  });
  const listening = await serve(app.fetch, config, door, { logger, metrics });
  // Not waited for: a server that refuses us is in the log from the start, and not only when somebody asks.
  void health.report();
  return {
    ...listening,
    async close() {
      await listening.close();
      await unidentified.close();
    },
  };
}

/** What the configuration says of an ingestion that is started now. */
export function ingestionSettings({ kafka, topics, ingestion }: Config): IngestionSettings {
  return {
    consumerGroup: kafka.consumerGroup,
    topics: Object.values(topics),
    lanes: ingestion.lanes,
    startPosition: ingestion.startPosition,
    outOfRange: ingestion.outOfRange,
    sliceMs: ingestion.sliceMs,
    laneTimeoutMs: ingestion.laneTimeoutMs,
  };
}

/** Without Redis only retries wait, and nothing is lost; without one of the others nothing is ingested. */
function healthChecks(servers: ApiServers, topics: string[]): Record<string, HealthCheck> {
  return {
    database: { needed: true, check: () => servers.database.ping() },
    redis: { needed: false, check: () => servers.queue.ping() },
    kafka: { needed: true, check: () => servers.reader.partitions(topics) },
    registry: { needed: true, check: () => servers.registry.ping() },
    temporal: { needed: true, check: () => servers.control.health() },
  };
}
