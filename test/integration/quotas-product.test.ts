import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { createQuotas } from '../../adapters/postgres/quotas.ts';
import { sweepId } from '../../workflows/contracts.ts';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { ids, wireLead } from '../helpers/wire-leads.ts';

const PARTITIONS = 2;
const FLOOD = 3_000;
const CALM = 100;

it('the flood of one organization starves nobody, and all of it is read in the end, also when a worker is killed', {
  timeout: 240_000,
}, async () => {
  const product = await createProduct({ partitions: PARTITIONS });
  const { kafka, topics, schemaIds, pool, consumerGroup } = product;
  const quotas = createQuotas(pool);
  await quotas.put({ organizationId: 'flood', eventsPerSecond: 10, changedBy: 'ann' });
  const send = (organization: string, partition: number, count: number) =>
    produce(
      kafka,
      ids(`${organization}${partition}`, count).map((id) => ({
        topic: topics.leads,
        key: id,
        partition,
        value: wireLead(schemaIds.leads, id, { organization }),
      })),
    );
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    await send('flood', partition, FLOOD);
    await send('calm', partition, CALM);
  }
  const staged = (organization: string) =>
    pool.oneFirst(sql.type(z.object({ count: z.number() }))`
      SELECT count(*) FROM analytics.crm_leads_staging WHERE organization_id = ${organization}`);
  const worker = product.startWorker();
  await product.control.start(product.settings);
  await expect.poll(() => product.lag(), { timeout: 60_000, interval: 200 }).toBe(0);
  expect(await staged('calm')).toBe(PARTITIONS * CALM);
  const through = await staged('flood');
  expect(through).toBeLessThan((PARTITIONS * FLOOD) / 2);
  const [{ records } = { records: 0 }] = await quotas.over(10);
  expect(records).toBe(PARTITIONS * FLOOD - through);

  await quotas.remove('flood');
  await product.temporalCommand('schedule', 'trigger', '--schedule-id', sweepId(consumerGroup));
  await expect.poll(() => staged('flood'), { timeout: 60_000, interval: 20 }).toBeGreaterThan(through);
  product.startWorker();
  await product.end(worker, 'SIGKILL');
  await expect.poll(() => quotas.over(10), { timeout: 90_000 }).toEqual([]);

  expect(await staged('flood')).toBe(PARTITIONS * FLOOD);
  expect(await product.statuses()).toEqual({ processed: PARTITIONS * (FLOOD + CALM) });
  expect(await product.brokenBooks()).toEqual([]);
  const sums = await pool.one(sql.unsafe`
    SELECT sum(stored)::int AS stored, sum(parked)::int AS parked FROM analytics.crm_batches`);
  expect(sums).toEqual({ stored: PARTITIONS * (FLOOD + CALM), parked: records });
});
