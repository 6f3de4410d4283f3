/** The API as an attacker meets it: listening on a port, over the real servers, with rows that nobody should be shown. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { msToTs } from '@temporalio/common/lib/time.js';
import { sql } from 'slonik';
import { onTestFinished } from 'vitest';
import { createClient } from '../../adapters/temporal/connection.ts';
import { openApiServers } from '../../api/server.ts';
import { startApi } from '../../api/start.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { loadConfig } from '../../platform/config.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { createMemoryControl } from '../unit/api/app-under-test.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';
import { eventually } from '../workflows/eventually.ts';
import { createTestDatabase, required } from './database.ts';

/** Is in rows of the database; a condition that an attacker has made true for all rows brings it to light. */
export const PLANTED = 'org-planted-8d2f';

/** A namespace of Temporal in which workflows may be started that nobody runs. */
export async function openNamespace(): Promise<{ namespace: string; close(): Promise<void> }> {
  const namespace = `test-${randomUUID()}`;
  const client = createClient({ address: required('TEMPORAL_ADDRESS'), namespace, tls: null, apiKey: null });
  await client.connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs('1 day'),
  });
  // The frontends notice a new namespace after a moment.
  await eventually(async () => {
    await client.workflow.count();
  });
  return {
    namespace,
    async close() {
      await client.connection.operatorService.deleteNamespace({ namespace });
      await client.connection.close();
    },
  };
}

/** A storage without buckets, which keeps in mind as what it was asked. */
async function openStorage() {
  const hosts: string[] = [];
  const server = createServer((request, response) => {
    hosts.push(request.headers.host ?? '');
    response.writeHead(404, { 'content-type': 'application/xml' });
    response.end('<Error><Code>NoSuchBucket</Code><Message>There is none</Message></Error>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a port was expected');
  return { hosts, host: `127.0.0.1:${address.port}` };
}

/**
 * The API on a free port, for one test. The ingestion itself lives in memory, so that it can be started and stopped at
 * once; all else is the real servers.
 */
export async function openHostileApi(namespace: string, env: Record<string, string> = {}) {
  const { pool, url } = await createTestDatabase();
  await pool.query(sql.unsafe`
    INSERT INTO analytics.crm_legal_holds (organization_id, reason, placed_by) VALUES (${PLANTED}, 'planted', 'test')
  `);
  await pool.query(sql.unsafe`
    WITH source AS (INSERT INTO analytics.crm_sources (topic) VALUES ('crm.leads') RETURNING source_id, topic)
    INSERT INTO analytics.crm_failed_events (
      source_id, topic, partition, "offset", status, error_code, error_message, field, organization_id,
      event_timestamp, record_timestamp, schema_id, value, run_id
    )
    SELECT source_id, topic, 0, at, 'dead', 'too_long', ${`planted in ${PLANTED}`}, 'data.email', ${PLANTED},
      now(), 0, 1, 'planted', ${randomUUID()}
    FROM source, generate_series(0, 2) AS at
  `);
  const folder = await mkdtemp(join(tmpdir(), 'crm-hostile-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const storage = await openStorage();
  const config = loadConfig(
    {
      KAFKA_BROKERS: required('KAFKA_BROKERS'),
      SCHEMA_REGISTRY_URL: required('SCHEMA_REGISTRY_URL'),
      TEMPORAL_ADDRESS: required('TEMPORAL_ADDRESS'),
      TEMPORAL_NAMESPACE: namespace,
      DATABASE_URL: url,
      REDIS_URL: required('REDIS_URL'),
      RETRY_QUEUE_PREFIX: `test-${randomUUID()}`,
      API_PORT: '0',
      // Whoever may see everything has the most that can leak.
      API_SHOW_PERSONAL_DATA: 'true',
      ERASURE_KEY: 'k'.repeat(32),
      BACKFILL_DIR: folder,
      S3_ENDPOINT: `http://${storage.host}`,
      S3_ACCESS_KEY_ID: 'key',
      S3_SECRET_ACCESS_KEY: 'secret',
      ...env,
    },
    EVENT_TYPES,
  );
  const logger = recordingLogger();
  const { servers, closing } = openApiServers(config, logger);
  const control = { ...servers.control, ...createMemoryControl() };
  const api = await startApi(config, { ...servers, control }, { logger, metrics: createMetrics() });
  onTestFinished(async () => {
    await api.close();
    for (const { run } of closing) await run();
  });
  return {
    port: api.port,
    origin: `http://127.0.0.1:${api.port}`,
    pool,
    logger,
    storage: storage.host,
    storageHosts: storage.hosts,
  };
}

export type HostileApi = Awaited<ReturnType<typeof openHostileApi>>;
