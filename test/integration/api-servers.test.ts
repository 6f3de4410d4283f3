import { randomUUID } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createKafka } from '../../adapters/kafka/client.ts';
import { openApiServers } from '../../api/server.ts';
import { type ApiServers, startApi } from '../../api/start.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { type Config, type Environment, loadConfig } from '../../platform/config.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { createMemoryControl, createMemoryStreams } from '../unit/api/app-under-test.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';
import { openRelay } from './api-relay.ts';

const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, TEMPORAL_ADDRESS, DATABASE_URL, REDIS_URL } = process.env;
const SERVERS = { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, TEMPORAL_ADDRESS, DATABASE_URL, REDIS_URL };

const cleanUps: Array<() => unknown> = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** The API on a free port over the real servers; only the ingestion itself lives in memory. */
async function started(env: Environment = {}, positions: ApiServers['store']['positions']['list'] = async () => []) {
  const config = loadConfig(
    { ...SERVERS, API_PORT: '0', RETRY_QUEUE_PREFIX: `test-${randomUUID()}`, ...env },
    EVENT_TYPES,
  );
  const logger = recordingLogger();
  const servers = openServers(config, positions);
  const listening = await startApi(config, servers, { logger, metrics: createMetrics() });
  cleanUps.push(() => listening.close());
  return { url: `http://127.0.0.1:${listening.port}`, logger };
}

/** The database of the test servers is empty: what is asked of its tables is answered here. */
function openServers(config: Config, list: ApiServers['store']['positions']['list']): ApiServers {
  const { servers, closing } = openApiServers(config, recordingLogger());
  // Without its default interceptor: a retry that is due after the connection is closed ends the process.
  const temporal = Connection.lazy({ address: config.temporal.address, interceptors: [] });
  cleanUps.push(...closing.map(({ run }) => run), () => temporal.close());
  return {
    ...servers,
    control: {
      ...createMemoryControl(),
      async health() {
        await temporal.workflowService.getSystemInfo({});
        return { latencyMs: 0 };
      },
    },
    store: { positions: { list }, streams: createMemoryStreams() },
    counters: { totals: async () => ({ processed: 0, skipped: 0, conflicts: 0, filtered: 0, failed: 0, dead: 0 }) },
  };
}

describe('health over the real servers', () => {
  it('asks each of them', async () => {
    const { url } = await started();
    const response = await fetch(`${url}/health`);
    const up = { status: 'up', needed: true, latencyMs: expect.any(Number) };
    expect(await response.json()).toEqual({
      status: 'ok',
      checks: { database: up, kafka: up, registry: up, temporal: up, redis: { ...up, needed: false } },
    });
    expect(response.status).toBe(200);
  });

  it.each([
    ['KAFKA_BROKERS', '127.0.0.1:1', 'kafka', 503],
    ['SCHEMA_REGISTRY_URL', 'http://127.0.0.1:1', 'registry', 503],
    ['TEMPORAL_ADDRESS', '127.0.0.1:1', 'temporal', 503],
    ['REDIS_URL', 'redis://127.0.0.1:1', 'redis', 200],
  ])('with %s at %s finds %s down and answers %d', async (variable, address, name, status) => {
    const { url } = await started({ [variable]: address });
    const response = await fetch(`${url}/health`);
    const text = await response.text();
    const { checks } = JSON.parse(text);
    expect(response.status).toBe(status);
    expect(Object.keys(checks).filter((key) => checks[key].status === 'down')).toEqual([name]);
    expect(text).not.toContain('127.0.0.1');
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });
});

describe('a database that dies while the API runs', () => {
  it('is found down, and back again without a restart', async () => {
    const database = new URL(loadConfig(SERVERS, EVENT_TYPES).postgres.url);
    const behind = { host: database.hostname, port: Number(database.port || 5432) };
    const relay = await openRelay(behind);
    database.hostname = '127.0.0.1';
    database.port = String(relay.port);
    const { url } = await started({ DATABASE_URL: database.href });
    expect((await fetch(`${url}/health`)).status).toBe(200);

    await relay.shut();
    const down = await fetch(`${url}/health`);
    expect(down.status).toBe(503);
    expect(await down.json()).toMatchObject({ status: 'down', checks: { database: { status: 'down' } } });
    expect((await fetch(`${url}/health/live`)).status).toBe(200);

    const back = await openRelay(behind, relay.port);
    cleanUps.push(() => back.shut());
    await vi.waitFor(async () => expect((await fetch(`${url}/health`)).status).toBe(200), { timeout: 20_000 });
  });
});

describe('status over the real Kafka', () => {
  const topic = `api-test-${randomUUID()}`;
  const positions = async () => [
    { topic, partition: 0, nextOffset: 1, owner: null, updatedAt: new Date().toISOString(), lastRecordTimestamp: 1 },
  ];

  it('shows how far a partition is behind', async () => {
    const { kafka } = createKafka({
      brokers: loadConfig(SERVERS, EVENT_TYPES).kafka.brokers,
      clientId: 'api-test',
      ssl: false,
      sasl: null,
      log: () => {},
    });
    const admin = kafka.admin();
    const producer = kafka.producer();
    await Promise.all([admin.connect(), producer.connect()]);
    cleanUps.push(
      () => Promise.all([admin.disconnect(), producer.disconnect()]),
      () => admin.deleteTopics({ topics: [topic] }),
    );
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
    await producer.send({ topic, messages: [{ value: 'a' }, { value: 'b' }, { value: 'c' }] });

    const { url } = await started({}, positions);
    const status = await (await fetch(`${url}/api/v1/crm-ingestion/status`)).json();
    expect(status).toMatchObject({
      partitions: [{ topic, partition: 0, position: 1, end: 3, lagEvents: 2 }],
      notes: [],
    });
  });

  it('leaves out what Kafka knows while it is down', async () => {
    const { url } = await started({ KAFKA_BROKERS: '127.0.0.1:1' }, positions);
    const response = await fetch(`${url}/api/v1/crm-ingestion/status`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      partitions: [{ position: 1, end: null, lagEvents: null }],
      notes: [expect.stringContaining('Kafka')],
    });
  });
});
