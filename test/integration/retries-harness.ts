import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Redis } from 'ioredis';
import { sql } from 'slonik';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import type { DueRetry } from '../../activities/failed-ports.ts';
import { fixedLateWindow } from '../../activities/late-policies.ts';
import type { Batch } from '../../activities/ports.ts';
import { NOBODY } from '../../activities/suppression.ts';
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
export async function createRetryHarness(env: Environment = {}, redisUrl = required('REDIS_URL')) {
  const kafka = await createTestTopics();
  const { pool, store, runId } = await createTestStore();
  const reader = createLogReader(kafka.client, { maxWaitMs: 500 });
  onTestFinished(() => reader.close());
  const config = loadConfig(
    {
      REDIS_URL: redisUrl,
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
  // Its own way to Redis, also where the product has none.
  const redis = new Redis(required('REDIS_URL'), { db: databaseOf(redisUrl) });
  onTestFinished(async () => {
    const keys = await redis.keys(`${config.retries.queue.prefix}:*`);
    if (keys.length > 0) await redis.del(keys);
    redis.disconnect();
    await queue.close();
  });
  // Connected, unless the test has Redis away.
  await queue.ping().catch(() => {});

  const lane = await openTestLane(store);
  const [range] = await claimPartitions(lane, runId, kafka.topics.leads);
  let nextOffset = 0;

  /** Leads that a lane could not write, since what they refer to was missing; they are due at once. */
  async function failLeads(ids: readonly string[]): Promise<DueRetry[]> {
    const from = { ...range!, nextOffset };
    const batch: Batch = {
      runId,
      mode: 'ingest',
      suppression: 0,
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
      late: fixedLateWindow(730 * 86_400_000),
      suppression: NOBODY,
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
    const { sweepRetries } = createSweep({
      store,
      erasures: { unfinished: async () => [] },
      queue,
      makePartitionsAhead: async () => 0,
      onEnqueued: () => {},
    });
    return new MockActivityEnvironment().run(sweepRetries, { consumerGroup: config.kafka.consumerGroup });
  }

  /** Makes PostgreSQL refuse leads for as long as they are listed, as a foreign key would. */
  async function refuseLeads(refused: string[], sqlstate = '23503') {
    await pool.query(sql.unsafe`CREATE TABLE refused (event_id TEXT COLLATE "C" PRIMARY KEY, sqlstate TEXT NOT NULL)`);
    await pool.query(sql.unsafe`INSERT INTO refused SELECT unnest(${sql.array(refused, 'text')}), ${sqlstate}`);
    await pool.query(sql.unsafe`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        code TEXT := (SELECT r.sqlstate FROM refused r WHERE r.event_id = NEW.event_id);
      BEGIN
        IF code IS NOT NULL THEN RAISE EXCEPTION 'refused' USING ERRCODE = code; END IF;
        RETURN NEW;
      END $$`);
    await pool.query(sql.unsafe`
      CREATE TRIGGER refuse BEFORE INSERT ON analytics.crm_leads_staging FOR EACH ROW EXECUTE FUNCTION refuse()`);
    return { heal: (id: string) => pool.query(sql.unsafe`DELETE FROM refused WHERE event_id = ${id}`) };
  }

  /** Sessions of this database that wait for a lock. */
  const blocked = () =>
    pool.oneFirst(sql.unsafe`
      SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);

  /** All that Redis holds of this queue, to look for what must not be there. */
  async function inRedis(): Promise<string> {
    const keys = await redis.keys(`${config.retries.queue.prefix}:*`);
    const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
    return [...keys, ...dumps.map((dump) => dump?.toString('latin1') ?? '')].join('\n');
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
    refuseLeads,
    blocked,
    inRedis,
    rereadLead,
    startWorker,
    sweep,
    failedEvents,
    statuses,
    count,
  };
}

function databaseOf(redisUrl: string): number {
  return Number(new URL(redisUrl).pathname.slice(1));
}
