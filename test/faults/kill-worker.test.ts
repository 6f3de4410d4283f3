import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { ids, leadRecords } from '../helpers/wire-leads.ts';

const PARTITIONS = 6;
const EVENTS_EACH = 20_000;

it('loses and doubles nothing when workers are killed in the middle of a backlog, five times', {
  timeout: 240_000,
}, async () => {
  const product = await createProduct({ partitions: PARTITIONS, env: { INGESTION_BATCH_MAX_ROWS: '500' } });
  const { kafka, topics, schemaIds } = product;
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    await produce(kafka, leadRecords(topics.leads, schemaIds.leads, ids(`p${partition}`, EVENTS_EACH), partition));
  }
  let worker = product.startWorker();
  await product.control.start(product.settings);
  for (let kill = 0; kill < 5; kill += 1) {
    const before = await product.count('crm_leads_staging');
    await expect
      .poll(() => product.count('crm_leads_staging'), { timeout: 30_000, interval: 50 })
      .toBeGreaterThan(before);
    // At any moment of a batch, also between its statement and the answer.
    await sleep(Math.random() * 300);
    const killed = product.end(worker, 'SIGKILL');
    worker = product.startWorker();
    await killed;
  }
  await expect.poll(() => product.lag(), { timeout: 120_000, interval: 200 }).toBe(0);
  expect(await product.count('crm_leads_staging')).toBe(PARTITIONS * EVENTS_EACH);
  expect(await product.statuses()).toEqual({ processed: PARTITIONS * EVENTS_EACH });
  expect(await product.brokenBooks()).toEqual([]);
});

it('another worker takes the lanes of a killed one over', { timeout: 120_000 }, async () => {
  const product = await createProduct({ partitions: 2 });
  const { kafka, topics, schemaIds } = product;
  const first = product.startWorker();
  await product.control.start(product.settings);
  await produce(kafka, leadRecords(topics.leads, schemaIds.leads, ids('a', 100)));
  await expect.poll(() => product.count('crm_leads_staging'), { timeout: 30_000 }).toBe(100);
  product.startWorker();
  await product.end(first, 'SIGKILL');
  await produce(kafka, leadRecords(topics.leads, schemaIds.leads, ids('b', 100)));
  // Heartbeat timeout 5 s, the server's next attempt, claim: the promise is 15 s, most of it waiting.
  await expect.poll(() => product.count('crm_leads_staging'), { timeout: 15_000, interval: 100 }).toBe(200);
});
