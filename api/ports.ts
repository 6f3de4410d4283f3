/** What the API needs of the outside world. `server.ts` gives the real things, tests give their own. */

import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type { MiddlewareHandler } from 'hono';
import type { ApiKeys } from '../activities/api-key-ports.ts';
import type { AuditRequests } from '../activities/audit-ports.ts';
import type { BooksReader } from '../activities/books-ports.ts';
import type { DeadLetters } from '../activities/dead-letter-ports.ts';
import type { ErasureRequests } from '../activities/erasure-ports.ts';
import type { Settled } from '../activities/failed-ports.ts';
import type { EntityHistories } from '../activities/history-ports.ts';
import type { Located } from '../activities/log-coordinates.ts';
import type { LegalHolds, MaintenanceRuns, PartitionCatalog, RetentionRules } from '../activities/maintenance-ports.ts';
import type { EventDecoder, LogReader, Store } from '../activities/ports.ts';
import type { Quotas } from '../activities/quota-ports.ts';
import type { Coordinates, RetryJobs } from '../activities/retry-ports.ts';
import type { Streams } from '../activities/stream-ports.ts';
import type { AuditLog } from '../activities/trail-ports.ts';
import type { ValidationContext } from '../domain/validate.ts';
import type { Health } from '../platform/health.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { AuditControlPort } from '../workflows/audit-control-port.ts';
import type { IngestionSettings } from '../workflows/contracts.ts';
import type { IngestionControlPort } from '../workflows/control-port.ts';
import type { ErasureControlPort } from '../workflows/erasure-control-port.ts';
import type { MaintenanceControlPort } from '../workflows/maintenance-control-port.ts';
import type { TrailMiddleware } from './audit-trail.ts';
import type { ApiEnv } from './env.ts';
import type { Limits } from './limits/middleware.ts';
import type { RedriveDesk } from './redrive-desk.ts';
import type { ReplayDesk } from './replay-desk.ts';

/** Deliveries of a consumer group since its first start, whatever process wrote them. */
export interface IngestionTotals {
  processed: number;
  /** Duplicates. */
  skipped: number;
  /** Of `skipped`: the same event id with other content or of another organization. */
  conflicts: number;
  filtered: number;
  /** Wait for a retry. */
  failed: number;
  /** Can't succeed without a person's help. */
  dead: number;
}

export interface IngestionCounters {
  /** From the chain of batches. @throws when PostgreSQL can't be reached */
  totals(consumerGroup: string): Promise<IngestionTotals>;
}

/** Jobs of the retry queue by state. */
export interface QueueDepth {
  waiting: number;
  delayed: number;
  active: number;
  failed: number;
}

export interface RetryQueueDepth {
  /** @throws when Redis can't be reached */
  depth(): Promise<QueueDepth>;
}

/**
 * Tries one failed event again now, for a person.
 * @param organizationId whose redrive it is then, null for the installation's
 * @returns `accepted` when what becomes of it is not known yet, `taken` when somebody else has it or it is settled
 * @throws ControlRefusedError, ControlUnavailableError
 */
export type RedriveOne = (
  failedId: number,
  requestedBy: string,
  organizationId: string | null,
) => Promise<Settled | 'accepted' | 'taken'>;

export interface ApiDeps {
  control: Omit<IngestionControlPort, 'health' | 'close'>;
  /** What an ingestion is started with; names the consumer group that all routes speak of. */
  settings: IngestionSettings;
  bounds: LogReader['bounds'];
  positions: Store['positions']['list'];
  counters: IngestionCounters;
  books: BooksReader;
  audits: AuditRequests;
  auditControl: AuditControlPort;
  queue: RetryQueueDepth;
  jobs: RetryJobs;
  /** Queues that Bull Board shows. */
  boards: readonly BaseAdapter[];
  /** Whether Kafka has a record at some coordinates. @throws LogUnavailableError */
  locate(at: Coordinates): Promise<Located>;
  streams: Streams;
  histories: EntityHistories;
  deadLetters: DeadLetters;
  decoder: EventDecoder;
  /** What events of a topic are checked against now. @throws WriteError */
  validationOf(topic: string): Promise<ValidationContext>;
  redriveOne: RedriveOne;
  redrives: RedriveDesk;
  replays: ReplayDesk;
  partitions: PartitionCatalog;
  maintenance: Pick<MaintenanceRuns, 'request' | 'conclude' | 'list' | 'find'>;
  maintenanceControl: MaintenanceControlPort;
  retention: RetentionRules;
  quotas: Pick<Quotas, 'list' | 'put' | 'remove' | 'over'>;
  legalHolds: LegalHolds;
  apiKeys: Pick<ApiKeys, 'create' | 'list' | 'revoke'>;
  erasures: ErasureRequests;
  erasureControl: ErasureControlPort;
  /** Whether there is a key to erase with. */
  canErase: boolean;
  health: Health;
  metrics: Metrics;
  logger: Logger;
  auditLog: AuditLog;
  auditTrail: TrailMiddleware;
  /** Every route under /api passes through here; it answers itself or calls the next handler. */
  authenticate: MiddlewareHandler<ApiEnv>;
  /** How much is taken from whom. */
  limits: Limits;
  /** Of pages of other sites that may call the API. */
  corsOrigins: readonly string[];
  /** Whether clients speak TLS to us ourselves. */
  tls: boolean;
}
