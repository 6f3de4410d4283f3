import { Redis } from 'ioredis';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { sweepId } from '../../workflows/contracts.ts';
import { produce } from '../helpers/lane-harness.ts';
import { wireLead } from '../helpers/wire-leads.ts';
import { createRedriveHarness } from './redrive-harness.ts';

const CANARY = 'canary.91c4@leak.example';
const UNKNOWN_SCHEMA = 2_000_000_000;

const listed = z.array(z.object({ execution: z.object({ workflowId: z.string(), runId: z.string() }) }));

it('personal data of events that fail, wait, are retried, redriven and audited is nowhere but in PostgreSQL', {
  timeout: 240_000,
}, async () => {
  const product = await createRedriveHarness({ LOG_LEVEL: 'debug' });
  const { pool, kafka, topics, schemaIds, control } = product;
  const statusOf = async (eventId: string) =>
    pool.maybeOneFirst(
      sql.type(z.object({ status: z.string() }))`
        SELECT status FROM analytics.crm_failed_events WHERE event_id = ${eventId}`,
    );
  // PostgreSQL then refuses rows with words that hold the address.
  await pool.query(sql.unsafe`CREATE TABLE known_addresses (email text PRIMARY KEY)`);
  await pool.query(sql.unsafe`
    ALTER TABLE analytics.crm_leads_staging ADD FOREIGN KEY (email) REFERENCES known_addresses`);
  product.startWorker({ WORKER_PORT: '29465' });
  await control.start(product.settings);
  const lead = (id: string, over: Parameters<typeof wireLead>[2] = {}, schemaId = schemaIds.leads) =>
    wireLead(schemaId, id, { email: CANARY, ...over });
  await produce(
    kafka,
    [
      lead('refused'),
      lead('mismatch', { owner: 'org-9' }),
      lead('parked', {}, UNKNOWN_SCHEMA),
      lead('cut off').subarray(0, 90),
      Buffer.from(`not avro: ${CANARY}`),
    ].map((value) => ({ topic: topics.leads, key: CANARY, value, headers: { from: CANARY } })),
  );
  await expect.poll(() => statusOf('mismatch'), { timeout: 60_000 }).toBe('dead');
  await expect.poll(() => statusOf('refused'), { timeout: 30_000 }).toBe('failed');
  // The reference comes into being, and a retry finds it.
  await pool.query(sql.unsafe`INSERT INTO known_addresses VALUES (${CANARY})`);
  await expect.poll(() => statusOf('refused'), { timeout: 60_000 }).toBe('resolved');

  const filter = { errorCode: 'organization_mismatch', fingerprint: await fingerprintOf('mismatch') };
  const fix = { field: 'data.organizationId', op: 'replace', value: 'org-1' };
  const { dryRunId } = await product.plan({ filter, fix });
  const { redriveId } = await product.request({ filter, fix, dryRunId });
  await product.untilStatus(redriveId, 'finished');
  expect(await statusOf('mismatch')).toBe('resolved');
  const audit = await (await product.ask('POST', '/audits', { topic: topics.leads, recount: true })).text();
  await product.temporalCommand('schedule', 'trigger', '--schedule-id', sweepId(product.consumerGroup));
  const bad = await (await product.ask('GET', '/dead-letters?limit=500')).text();
  const exported = await (await product.ask('GET', '/dead-letters/export')).text();
  const groups = await (await product.ask('GET', '/dead-letters/groups')).text();
  expect(exported.split('\n').length).toBeGreaterThan(4);

  const redis = new Redis(product.env.REDIS_URL);
  await redis.lpush(`${product.env.RETRY_QUEUE_PREFIX}:seen`, 'there are keys to look at');
  const keys = await redis.keys(`${product.env.RETRY_QUEUE_PREFIX}*`);
  const dumps = await Promise.all(keys.map(async (key) => (await redis.dumpBuffer(key))?.toString('latin1') ?? ''));
  await redis.del(`${product.env.RETRY_QUEUE_PREFIX}:seen`);
  await redis.quit();
  const histories = await historiesOf();
  expect(histories.join()).toContain(redriveId);
  const metrics = await (await fetch('http://127.0.0.1:29465/metrics')).text();
  expect(metrics).toContain('crm_events_total');
  const logs = [...(await product.workerLogs()), JSON.stringify(product.logger.lines)];
  expect(logs.join('')).toContain('events failed');
  const everything = { audit, bad, exported, groups, keys, dumps, histories, metrics, logs };
  for (const [where, text] of Object.entries(everything)) {
    expect([text].flat().join('\n').includes('canary'), where).toBe(false);
  }
  expect(
    await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging WHERE email = ${CANARY}`),
  ).toBe(2);

  function fingerprintOf(eventId: string) {
    return pool.oneFirst(
      sql.type(z.object({ fingerprint: z.string() }))`
        SELECT fingerprint FROM analytics.crm_failed_events WHERE event_id = ${eventId}`,
    );
  }

  /** All workflows of the namespace, with their payloads as they can be read. */
  async function historiesOf(): Promise<string[]> {
    const workflows = listed.parse(JSON.parse(await product.temporalCommand('workflow', 'list', '--output', 'json')));
    expect(workflows.length).toBeGreaterThan(3);
    const texts: string[] = [];
    for (const { execution } of workflows) {
      const { workflowId, runId } = execution;
      const where = ['--workflow-id', workflowId, '--run-id', runId];
      const history = await product.temporalCommand('workflow', 'show', ...where, '--output', 'json');
      texts.push(history);
      for (const [, data] of history.matchAll(/"data": "([^"]+)"/g)) {
        texts.push(Buffer.from(data ?? '', 'base64').toString());
      }
    }
    return texts;
  }
});
