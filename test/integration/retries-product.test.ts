import { Redis } from 'ioredis';
import { sql } from 'slonik';
import { expect, it, onTestFinished } from 'vitest';
import { required } from '../helpers/database.ts';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { ids, leadRecords } from '../helpers/wire-leads.ts';

const SOON = { timeout: 60_000, interval: 100 };

it('an event that a lane could not write is retried by the workers, also when Redis forgot it', async () => {
  // The wait is long enough for Redis to forget the job meanwhile.
  const product = await createProduct({ partitions: 1, env: { RETRY_BASE_MS: '3000', RETRY_MAX_MS: '3000' } });
  const { pool, topics, schemaIds, kafka, consumerGroup } = product;
  const redis = new Redis(required('REDIS_URL'));
  onTestFinished(() => redis.disconnect());
  await pool.query(sql.unsafe`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.event_id = 'a-3' THEN RAISE EXCEPTION 'refused' USING ERRCODE = '23503'; END IF;
      RETURN NEW;
    END $$`);
  await pool.query(sql.unsafe`
    CREATE TRIGGER refuse BEFORE INSERT ON analytics.crm_leads_staging FOR EACH ROW EXECUTE FUNCTION refuse()`);
  const attempts = () => pool.maybeOneFirst(sql.unsafe`SELECT attempts FROM analytics.crm_failed_events`);

  const worker = product.startWorker();
  await product.control.start(product.settings);
  await produce(kafka, leadRecords(topics.leads, schemaIds.leads, ids('a', 10)));
  await expect.poll(product.statuses, SOON).toEqual({ processed: 9, failed: 1 });
  await expect.poll(attempts, SOON).toBeGreaterThanOrEqual(2);

  await expect.poll(() => redis.keys(`${consumerGroup}:*:failed-*`), SOON).toHaveLength(1);
  await redis.del(await redis.keys(`${consumerGroup}:*`));
  await pool.query(sql.unsafe`DROP TRIGGER refuse ON analytics.crm_leads_staging`);
  await pool.query(sql.unsafe`UPDATE analytics.crm_failed_events SET next_attempt_at = clock_timestamp()`);
  // What happens every minute.
  await product.temporal.schedule.getHandle(`crm-ingestion-sweep:${consumerGroup}`).trigger();
  await expect.poll(product.statuses, SOON).toEqual({ processed: 10 });
  expect(await product.count('crm_leads_staging')).toBe(10);
  expect(await product.end(worker, 'SIGTERM')).toBe(0);
  const runs = await pool.any(sql.unsafe`SELECT status FROM analytics.crm_runs WHERE kind = 'retry'`);
  expect(runs).toEqual([{ status: 'stopped' }]);
});
