import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { inForm } from '../helpers/faults/parameters.ts';
import { untilSteady } from '../helpers/faults/progress.ts';
import { underLoad } from '../helpers/faults/scenario.ts';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { ids, leadRecords } from '../helpers/wire-leads.ts';

const KILLS = inForm({ test: 2, short: 5, long: 50 });

it('loses and doubles nothing when workers are killed at random moments', {
  timeout: 120_000 + 60_000 * KILLS,
}, async () => {
  await underLoad(
    { fault: 'kill -9 of a worker', env: { INGESTION_BATCH_MAX_ROWS: '500' } },
    async ({ product, workers, random, inflict, killWorker, addWorker }) => {
      for (let kill = 0; kill < KILLS; kill += 1) {
        await inflict(async () => {
          await sleep(random.between(0, 1_000));
          await killWorker(workers[random.between(0, workers.length - 1)]!);
          addWorker();
          if (random.oneIn(3)) {
            // Once more in the middle of catching up, when its batches follow one another without a pause.
            await untilSteady(product);
            await killWorker(workers[0]!);
            addWorker();
          }
        });
      }
    },
  );
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
