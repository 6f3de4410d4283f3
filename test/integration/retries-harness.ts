import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Redis } from 'ioredis';
import { sql } from 'slonik';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import type { DueRetry } from '../../activities/failed-ports.ts';
import type { Batch } from '../../activities/ports.ts';
import { createSweep } from '../../activities/sweep.ts';
import { createLogReader } from '../../adapters/kafka/reader.ts';
import { createEventDecoder } from '../../adapters/registry/index.ts';
import { openRetryQueue } from '../../adapters/retries/queue.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { type Environment, loadConfig } from '../../platform/config.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { startRetryWorker } from '../../workers/retries.ts';
import { batchOf, sliceOf } from '../helpers/batches.ts';
import { required } from '../helpers/database.ts';
import { createTestTopics, testRegistry } from '../helpers/lane-harness.ts';
import { claimPartitions, createTestStore, openTestLane } from '../helpers/lane-store.ts';
import { wireLead } from '../helpers/wire-leads.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';

const BASE = Date.UTC(2026, 10, 20, 12);

/** Retry workers over a queue, a store and topics of one test alone. */
export async function createRetryHarness(env: Environment = {}) {
  const kafka = await createTestTopics();
  const { pool, store, runId } = await createTestStore();
  const reader = createLogReader(kafka.client, { maxWaitMs: 500 });
  onTestFinished(() => reader.close());
  const config = loadConfig(
    {
      REDIS_URL: required('REDIS_URL'),
      RETRY_QUEUE_PREFIX: `test-${randomUUID()}`,
      RETRY_BASE_MS: '1',
      RETRY_MAX_MS: '2',
      CRM_EVENTS_TOPIC: kafka.topics.events,
      CRM_LEADS_TOPIC: kafka.topics.leads,
      CRM_CONTACTS_TOPIC: kafka.topics.contacts,
      CRM_OPPORTUNITIES_TOPIC: kafka.topics.opportunities,
      ...env,
    },
    EVENT_TYPES,
  );
  const logger = recordingLogger();
  const metrics = createMetrics();
  const queue = openRetryQueue({ ...config.redis, ...config.retries.queue, keepJobsSeconds: 60 }, logger);
  const redis = new Redis(config.redis.url);
  onTestFinished(async () => {
    const keys = await redis.keys(`${config.retries.queue.prefix}:*`);
    if (keys.length > 0) await redis.del(keys);
    redis.disconnect();
    await queue.close();
  });
  await queue.ping();

  const lane = await openTestLane(store);
  const [range] = await claimPartitions(lane, runId, kafka.topics.leads);
  let nextOffset = 0;

  /** Leads that a lane could not write, since what they refer to was missing; they are due at once. */
  async function failLeads(ids: readonly string[]): Promise<DueRetry[]> {
    const from = { ...range!, nextOffset };
    const batch: Batch = {
      runId,
      slices: [sliceOf(from, ids.length)],
      deliveries: ids.map((id, index) => ({
        kind: 'rejected',
        slice: 0,
        record: {
          offset: nextOffset + index,
          timestamp: BASE,
          key: Buffer.from(id),
          value: wireLead(kafka.schemaIds.leads, id),
          headers: [],
        },
        rejection: { code: 'missing_reference', detail: 'PostgreSQL refused the row: SQLSTATE 23503' },
        schemaId: kafka.schemaIds.leads,
        event: { eventId: id, eventType: 'lead.created', organizationId: 'org-1', eventTimestamp: BASE },
      })),
    };
    const { retries } = await lane.writer.write(batch);
    nextOffset += ids.length;
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_failed_events SET next_attempt_at = clock_timestamp() WHERE status = 'failed'`);
    return retries.map((retry) => ({ ...retry, dueAt: Date.now() }));
  }

  /** The event as a lane reads it again, now without anything missing. */
  const rereadLead = (batch: Parameters<typeof batchOf>[1]) =>
    lane.writer.write(batchOf({ ...range!, nextOffset }, batch, runId));

  /** A retry worker as each worker process has one. */
  function startWorker() {
    const rules = {
      eventTypes: new Set<string>(EVENT_TYPES),
      entityOfTopic: new Map(),
      lateWindowMs: 730 * 86_400_000,
    };
    const decoder = createEventDecoder(testRegistry());
    const worker = startRetryWorker(config, { reader, decoder, store, queue, rules }, { logger, metrics });
    onTestFinished(async () => {
      await worker.run();
    });
    return worker;
  }

  /** What the schedule does every minute. */
  async function sweep(): Promise<Record<string, number>> {
    const { sweepRetries } = createSweep({ store, queue, onEnqueued: () => {} });
    return new MockActivityEnvironment().run(sweepRetries, { consumerGroup: config.kafka.consumerGroup });
  }

  const failedEvents = () =>
    pool.any(sql.type(
      z.object({ failedId: z.number(), status: z.string(), settledAs: z.string().nullable(), attempts: z.number() }),
    )`
      SELECT failed_id AS "failedId", status, settled_as AS "settledAs", attempts
      FROM analytics.crm_failed_events ORDER BY failed_id`);
  const count = (table: string) =>
    pool.oneFirst(sql.type(z.object({ count: z.number() }))`
      SELECT count(*) FROM ${sql.identifier(['analytics', table])}`);
  /** How many failed events are in which status. */
  async function statuses(): Promise<Record<string, number>> {
    const rows = await pool.any(sql.type(z.object({ status: z.string(), count: z.number() }))`
      SELECT status, count(*) FROM analytics.crm_failed_events GROUP BY 1`);
    return Object.fromEntries(rows.map(({ status, count: events }) => [status, events]));
  }

  return {
    ...kafka,
    pool,
    store,
    reader,
    config,
    logger,
    metrics,
    queue,
    redis,
    lane,
    range: range!,
    failLeads,
    rereadLead,
    startWorker,
    sweep,
    failedEvents,
    statuses,
    count,
  };
}
