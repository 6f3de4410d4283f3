import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { resolveInstance } from '../../stack/instance.ts';
import { sweepId } from '../../workflows/contracts.ts';
import { produce } from '../helpers/lane-harness.ts';
import { tablesHolding, textsInFile, tracesOf } from '../helpers/traces.ts';
import { wireLead } from '../helpers/wire-leads.ts';
import { createRedriveHarness } from './redrive-harness.ts';

const EMAIL = 'canary.7be2@leak.example';
const NAME = 'Zanarelli-7be2-Osprey';
const CANARIES = [EMAIL, NAME];
const key = () => `k ${randomBytes(32).toString('base64')}`;
const SOON = { timeout: 90_000, interval: 200 };

/** Where rows are that analysts work with. */
const STAGING = /^crm_(?:leads|contacts|opportunities)_staging/;

it.each(['', 'x', 'xy', 'xyz'])('the search knows a text in base64 after %o', (before) => {
  const encoded = Buffer.from(`${before}${EMAIL} and more`).toString('base64');
  expect(tracesOf(EMAIL).filter((trace) => encoded.includes(trace))).toHaveLength(1);
});

it('with keys, personal data is nowhere but in the rows that analysts work with', { timeout: 300_000 }, async () => {
  const secrets = { DATA_KEYS: key(), TEMPORAL_CODEC_KEYS: key() };
  const product = await createRedriveHarness({
    LOG_LEVEL: 'debug',
    ...secrets,
  });
  const { pool, kafka, topics, schemaIds, control } = product;
  const statusOf = async (eventId: string) =>
    pool.maybeOneFirst(
      sql.type(z.object({ status: z.string() }))`
        SELECT status FROM analytics.crm_failed_events WHERE event_id = ${eventId}`,
    );
  // PostgreSQL then refuses rows with words that hold the address.
  await pool.query(sql.unsafe`CREATE TABLE known_addresses (email text PRIMARY KEY)`);
  await pool.query(sql.unsafe`GRANT SELECT ON known_addresses TO PUBLIC`);
  await pool.query(sql.unsafe`INSERT INTO known_addresses VALUES ('other@example.com')`);
  await pool.query(sql.unsafe`
    ALTER TABLE analytics.crm_leads_staging ADD FOREIGN KEY (email) REFERENCES known_addresses`);
  product.startWorker({ WORKER_PORT: '29466' });
  await control.start(product.settings);
  const lead = (id: string, over: Parameters<typeof wireLead>[2] = {}) =>
    wireLead(schemaIds.leads, id, { email: EMAIL, lastName: NAME, ...over });
  await produce(
    kafka,
    [
      lead('refused'),
      lead('mended', { owner: 'org-9' }),
      lead('corrected', { owner: 'org-9' }),
      lead('stays', { owner: 'org-9' }),
      lead('good', { email: 'other@example.com' }),
      lead('cut off').subarray(0, 90),
      Buffer.from(`not avro: ${EMAIL} of ${NAME}`),
    ].map((value) => ({ topic: topics.leads, key: EMAIL, value, headers: { from: NAME } })),
  );
  await expect.poll(() => statusOf('stays'), SOON).toBe('dead');
  await expect.poll(() => statusOf('refused'), SOON).toBe('failed');
  // The reference comes into being, and a retry opens the message and finds it.
  await pool.query(sql.unsafe`INSERT INTO known_addresses VALUES (${EMAIL})`);
  await expect.poll(() => statusOf('refused'), SOON).toBe('resolved');

  // A rule mends one of a group, a person another, who sees masks alone.
  const filter = { errorCode: 'organization_mismatch', fingerprint: await fingerprintOf('mended') };
  const fix = { field: 'data.organizationId', op: 'replace', value: 'org-1' };
  const one = { ...filter, failedIds: [await idOf('mended')] };
  const { dryRunId } = await product.plan({ filter: one, fix });
  const { redriveId } = await product.request({ filter: one, fix, dryRunId });
  await product.untilStatus(redriveId, 'finished');
  expect(await statusOf('mended')).toBe('resolved');
  const path = `/dead-letters/${await idOf('corrected')}`;
  const shown = z.looseObject({ event: z.looseObject({ data: z.looseObject({}) }) });
  const { event } = shown.parse(await (await product.ask('GET', path)).json());
  const corrected = { ...event, data: { ...event.data, organizationId: 'org-1' } };
  const answers = [
    await product.ask('PUT', `${path}/correction`, {
      ...corrected,
      data: { ...corrected.data, lastName: NAME, email: '' },
    }),
    await product.ask('PUT', `${path}/correction`, corrected),
    await product.ask('GET', path),
    await product.ask('GET', '/dead-letters?limit=500'),
    await product.ask('GET', '/dead-letters/export'),
    await product.ask('GET', '/dead-letters/groups'),
    await product.ask('POST', `/dead-letters?${EMAIL}`, { email: EMAIL }),
    await product.ask('POST', '/audits', { topic: topics.leads, recount: true }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([422, 200, 200, 200, 200, 200, expect.any(Number), 202]);
  const answered = await Promise.all(answers.map((answer) => answer.text()));
  const single = await product.request({ filter: { ...filter, failedIds: [await idOf('corrected')] } });
  await product.untilStatus(single.redriveId, 'finished');
  expect(await statusOf('corrected')).toBe('resolved');
  await product.temporalCommand('schedule', 'trigger', '--schedule-id', sweepId(product.consumerGroup));

  const redis = new Redis(product.env.REDIS_URL);
  const keys = await redis.keys(`${product.env.RETRY_QUEUE_PREFIX}*`);
  const dumps = await Promise.all(keys.map(async (name) => (await redis.dumpBuffer(name))?.toString('latin1') ?? ''));
  await redis.quit();
  const metrics = await (await fetch('http://127.0.0.1:29466/metrics')).text();
  const logs = [...(await product.workerLogs()), JSON.stringify(product.logger.lines)];
  expect(logs.join('')).toContain('events failed');
  for (const secret of Object.values(secrets)) expect(logs.join('').includes(secret.slice(2, 30))).toBe(false);
  const everywhere = { answered, keys, dumps, metrics, logs };
  for (const [where, texts] of Object.entries(everywhere)) {
    const text = [texts].flat().join('\n');
    expect(
      CANARIES.flatMap(tracesOf).filter((trace) => text.includes(trace)),
      where,
    ).toEqual([]);
  }

  const holding = await tablesHolding(pool, CANARIES);
  expect(holding.filter((name) => !STAGING.test(name))).toEqual([]);
  // The search can find them.
  expect(holding.filter((name) => STAGING.test(name))).not.toEqual([]);
  const kept = await pool.one(sql.type(z.object({ rows: z.number(), sealed: z.number(), corrections: z.number() }))`
    SELECT count(*) AS rows, count(*) FILTER (WHERE sealed_by IS NOT NULL AND key IS NULL AND headers IS NULL) AS sealed,
      count(*) FILTER (WHERE jsonb_typeof(correction) = 'string') AS corrections
    FROM analytics.crm_failed_events`);
  expect(kept).toEqual({ rows: 6, sealed: 6, corrections: 2 });
  const staged = await pool.anyFirst(sql.type(z.object({ id: z.string() }))`
    SELECT event_id AS id FROM analytics.crm_leads_staging WHERE last_name = ${NAME} ORDER BY 1`);
  expect(staged).toEqual(['corrected', 'good', 'mended', 'refused']);

  // All that Temporal's own database holds, as far as it is a file here.
  const database = join(resolveInstance({ name: 'test' }).dir, 'temporal', 'temporal.db');
  const files = [database, `${database}-wal`].filter((path) => existsSync(path));
  const found = await Promise.all(files.map((file) => textsInFile(file, [...CANARIES, product.consumerGroup])));
  expect([...new Set(found.flat())]).toEqual(files.length === 0 ? [] : [product.consumerGroup]);
  expect(await historyOf(`crm-redrive:${redriveId}`)).toContain(Buffer.from('binary/encrypted').toString('base64'));

  function idOf(eventId: string) {
    return pool.oneFirst(
      sql.type(z.object({ id: z.number() }))`
        SELECT failed_id AS id FROM analytics.crm_failed_events WHERE event_id = ${eventId}`,
    );
  }

  function fingerprintOf(eventId: string) {
    return pool.oneFirst(
      sql.type(z.object({ fingerprint: z.string() }))`
        SELECT fingerprint FROM analytics.crm_failed_events WHERE event_id = ${eventId}`,
    );
  }

  function historyOf(workflowId: string) {
    return product.temporalCommand('workflow', 'show', '--workflow-id', workflowId, '--output', 'json');
  }
});
