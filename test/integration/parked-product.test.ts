import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { createStreams } from '../../adapters/postgres/streams.ts';
import { sweepId } from '../../workflows/contracts.ts';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { openRegistryDoor, registerAnother } from '../helpers/registry-door.ts';
import { ids, leadRecords } from '../helpers/wire-leads.ts';

const PARTITIONS = 2;
const EACH = 2_000;

it('records of a schema that appears late are read again by the sweep, also when a worker is killed meanwhile', {
  timeout: 240_000,
}, async () => {
  const door = await openRegistryDoor();
  const product = await createProduct({ partitions: PARTITIONS, env: { SCHEMA_REGISTRY_URL: door.url } });
  const { kafka, topics, schemaIds, pool, consumerGroup } = product;
  const late = await registerAnother();
  door.hidden.add(late);
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const known = leadRecords(topics.leads, schemaIds.leads, ids(`known${partition}`, EACH), partition);
    const unknown = leadRecords(topics.leads, late, ids(`late${partition}`, EACH), partition);
    await produce(
      kafka,
      known.flatMap((record, index) => [record, unknown[index]!]),
    );
  }
  const worker = product.startWorker();
  await product.control.start(product.settings);
  await expect.poll(() => product.lag(), { timeout: 60_000, interval: 200 }).toBe(0);
  const streams = createStreams(pool);
  expect(await streams.list()).toMatchObject([
    { schemaId: late, state: 'schema_unknown', parked: { records: 2 * EACH } },
  ]);
  expect(await product.count('crm_leads_staging')).toBe(PARTITIONS * EACH);

  door.hidden.delete(late);
  const sweep = () => product.temporalCommand('schedule', 'trigger', '--schedule-id', sweepId(consumerGroup));
  await sweep();
  await expect.poll(async () => (await streams.list())[0]?.state, { timeout: 30_000 }).toBe('flowing');
  await expect
    .poll(() => product.count('crm_leads_staging'), { timeout: 60_000, interval: 20 })
    .toBeGreaterThan(PARTITIONS * EACH);
  product.startWorker();
  await product.end(worker, 'SIGKILL');
  await expect.poll(async () => (await streams.list())[0]?.parked.records, { timeout: 90_000 }).toBe(0);

  expect(await product.count('crm_leads_staging')).toBe(2 * PARTITIONS * EACH);
  expect(await product.statuses()).toEqual({ processed: 2 * PARTITIONS * EACH });
  expect(await product.brokenBooks()).toEqual([]);
  const sums = await pool.one(sql.unsafe`
    SELECT sum(stored)::int AS stored, sum(parked)::int AS parked FROM analytics.crm_batches`);
  expect(sums).toEqual({ stored: 2 * PARTITIONS * EACH, parked: PARTITIONS * EACH });
});
