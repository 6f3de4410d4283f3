import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { kafkaTool } from '../../stack/index.ts';
import { required } from '../helpers/database.ts';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { ids, leadRecords, wireLead } from '../helpers/wire-leads.ts';

type Product = Awaited<ReturnType<typeof createProduct>>;

const PARTITIONS = 6;

async function produceBacklog(product: Product, each: number): Promise<void> {
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const { topics, schemaIds } = product;
    await produce(product.kafka, leadRecords(topics.leads, schemaIds.leads, ids(`p${partition}`, each), partition));
  }
}

const drained = (product: Product) => expect.poll(() => product.lag(), { timeout: 150_000, interval: 250 }).toBe(0);

describe('the product', () => {
  it('stages 200,000 events once, and the same again not at all', { timeout: 400_000 }, async () => {
    const each = Math.ceil(200_000 / PARTITIONS);
    const total = each * PARTITIONS;
    const product = await createProduct({ partitions: PARTITIONS });
    await produceBacklog(product, each);
    product.startWorker();
    await product.control.start(product.settings);
    await drained(product);
    expect(await product.count('crm_leads_staging')).toBe(total);
    expect(await product.statuses()).toEqual({ processed: total });

    await produceBacklog(product, each);
    await drained(product);
    expect(await product.count('crm_leads_staging')).toBe(total);
    expect(await product.statuses()).toEqual({ processed: total, skipped: total });
    expect(await product.brokenBooks()).toEqual([]);
  });

  it('obeys an operator at the Temporal CLI: pause, resume and stop lose and repeat nothing', {
    timeout: 120_000,
  }, async () => {
    const product = await createProduct({ partitions: 2 });
    const { kafka, topics, schemaIds, workflowId } = product;
    const signal = (name: string) =>
      product.temporalCommand('workflow', 'signal', '--workflow-id', workflowId, '--name', name);
    product.startWorker();
    await product.control.start(product.settings);
    await produce(kafka, leadRecords(topics.leads, schemaIds.leads, ids('a', 100)));
    await expect.poll(() => product.count('crm_leads_staging'), { timeout: 30_000 }).toBe(100);

    await signal('pause');
    await sleep(2_000);
    await produce(kafka, leadRecords(topics.leads, schemaIds.leads, ids('b', 100)));
    await sleep(2_000);
    expect(await product.count('crm_leads_staging')).toBe(100);
    expect(await product.control.status(product.consumerGroup)).toMatchObject({ phase: 'paused' });

    await signal('resume');
    await expect.poll(() => product.count('crm_leads_staging'), { timeout: 20_000 }).toBe(200);
    await signal('stop');
    await expect
      .poll(async () => (await product.control.status(product.consumerGroup)).phase, { timeout: 20_000 })
      .toBe('stopped');
    await produce(kafka, leadRecords(topics.leads, schemaIds.leads, ids('c', 100)));

    await product.control.start(product.settings);
    await expect.poll(() => product.count('crm_leads_staging'), { timeout: 20_000 }).toBe(300);
    expect(await product.statuses()).toEqual({ processed: 300 });
    expect(await product.brokenBooks()).toEqual([]);
  });

  it('drains on SIGTERM and exits 0, and the next worker goes on', { timeout: 120_000 }, async () => {
    const product = await createProduct({ partitions: PARTITIONS });
    await produceBacklog(product, 10_000);
    const worker = product.startWorker();
    await product.control.start(product.settings);
    await expect.poll(() => product.count('crm_leads_staging'), { timeout: 30_000, interval: 50 }).toBeGreaterThan(0);
    expect(await product.end(worker, 'SIGTERM')).toBe(0);
    product.startWorker();
    await drained(product);
    expect(await product.statuses()).toEqual({ processed: 10_000 * PARTITIONS });
    expect(await product.brokenBooks()).toEqual([]);
  });

  it('shows its lag to the usual Kafka tools', { timeout: 120_000 }, async () => {
    const product = await createProduct({ partitions: 1, env: { INGESTION_MIRROR_INTERVAL_MS: '500' } });
    product.startWorker();
    await product.control.start(product.settings);
    await produce(product.kafka, leadRecords(product.topics.leads, product.schemaIds.leads, ids('a', 30)));
    const describeGroup = () =>
      kafkaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
        '--bootstrap-server',
        required('KAFKA_BROKERS'),
        '--describe',
        '--group',
        product.consumerGroup,
      ]);
    const line = new RegExp(`${product.topics.leads}\\s+0\\s+30\\s+30\\s+0\\b`);
    await expect.poll(describeGroup, { timeout: 60_000, interval: 1_000 }).toMatch(line);
  });

  it('keeps histories short, and personal data out of histories, logs, metrics and Redis', {
    timeout: 120_000,
  }, async () => {
    const canary = 'canary.7f3a@example.com';
    const product = await createProduct({ partitions: 2, env: { LOG_LEVEL: 'debug', WORKER_PORT: '29464' } });
    const { kafka, topics, schemaIds } = product;
    product.startWorker({ WORKER_PORT: '29464' });
    await product.control.start({ ...product.settings, sliceMs: 2_000 });
    const valid = ids('a', 200).map((id) => ({
      topic: topics.leads,
      key: canary,
      value: wireLead(schemaIds.leads, id, { email: canary }),
    }));
    const tooLong = wireLead(schemaIds.leads, 'long', { email: canary.repeat(20) });
    const cutOff = wireLead(schemaIds.leads, 'cut', { email: canary }).subarray(0, 90);
    const wrongTopic = {
      topic: topics.contacts,
      key: canary,
      value: wireLead(schemaIds.leads, 'wrong', { email: canary }),
    };
    await produce(kafka, [
      ...valid,
      ...[tooLong, cutOff].map((value) => ({ topic: topics.leads, key: canary, value })),
      wrongTopic,
    ]);
    await expect.poll(() => product.count('crm_failed_events'), { timeout: 30_000 }).toBe(3);
    // Long enough for several slices of each lane.
    await sleep(9_000);
    const metrics = await (await fetch('http://127.0.0.1:29464/metrics')).text();
    expect(metrics).toContain('crm_events_total{event_type="lead.created",outcome="processed"} 200');
    const history = await product.temporalCommand(
      'workflow',
      'show',
      '--workflow-id',
      product.workflowId,
      '--output',
      'json',
    );
    const payloads = [...history.matchAll(/"data": "([^"]+)"/g)].map(([, data]) =>
      Buffer.from(data ?? '', 'base64').toString(),
    );
    // They can be read, so that the search below could find something.
    expect(payloads.join()).toContain(topics.leads);
    const { events } = JSON.parse(history) as { events: Array<{ eventType: string }> };
    const slices = events.filter(({ eventType }) => eventType === 'EVENT_TYPE_ACTIVITY_TASK_COMPLETED').length;
    expect(slices).toBeGreaterThan(4);
    // A slice lasts 5 minutes by default, so an hour of a lane has 12 of them: 16 events each make the 200 of the promise.
    expect(events.length / slices).toBeLessThan(16);

    const redis = new Redis(required('REDIS_URL'));
    const keys = await redis.keys('*');
    const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
    await redis.quit();
    const logs = await product.workerLogs();
    for (const text of [
      history,
      ...payloads,
      metrics,
      ...logs,
      keys.join(' '),
      ...dumps.map((dump) => dump?.toString('latin1') ?? ''),
    ]) {
      expect(text).not.toContain('canary.7f3a');
    }
    expect(logs.join('').length).toBeGreaterThan(0);
  });
});
