import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { canonicalJson } from '../../domain/canonical-json.ts';
import { createVerifier } from '../../platform/signing.ts';
import { produce } from '../helpers/lane-harness.ts';
import { ids, wireLead } from '../helpers/wire-leads.ts';
import { KEY, tablesWith } from './erasure-harness.ts';
import { createRedriveHarness } from './redrive-harness.ts';

const CANARY = 'canary.91c4@leak.example';
const SOON = { timeout: 60_000, interval: 100 };

const erasureSchema = z.looseObject({
  status: z.string(),
  failure: z.string().nullable(),
  report: z.looseObject({ verdict: z.string(), verification: z.record(z.string(), z.number()) }).nullable(),
  signature: z.string().nullable(),
});

it('a person who is erased while their events come in is nowhere afterwards, and stays away', {
  timeout: 240_000,
}, async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const signingKey = join(await mkdtemp(join(tmpdir(), 'crm-erasure-')), 'private.pem');
  await writeFile(signingKey, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const product = await createRedriveHarness({
    LOG_LEVEL: 'debug',
    ERASURE_KEY: KEY,
    AUDIT_SIGNING_KEY_FILE: signingKey,
  });
  const { pool, kafka, topics, schemaIds, temporal, logger } = product;
  product.startWorker();
  await product.control.start(product.settings);
  /** Every third is of the person; some of those fail, and some of these can't even be read. */
  const send = (prefix: string, { cutOff }: { cutOff: boolean }) =>
    produce(
      kafka,
      ids(prefix, 900).map((id, index) => {
        const isTheirs = index % 3 === 0;
        const value = wireLead(schemaIds.leads, id, {
          ...(isTheirs && { email: CANARY }),
          ...(index % 9 === 0 && { owner: 'org-9' }),
        });
        return {
          topic: topics.leads,
          partition: index % 2,
          key: isTheirs ? CANARY : id,
          value: cutOff && index % 27 === 0 ? value.subarray(0, 90) : value,
        };
      }),
    );
  await send('before', { cutOff: true });
  await expect.poll(product.lag, SOON).toBe(0);
  expect(await tablesWith(pool, CANARY)).toContain('crm_failed_events');
  const sending = send('during', { cutOff: false });
  const body = { subject: { email: CANARY }, action: 'delete', reason: 'Asked to by letter' };
  const asked = await product.ask('POST', '/erasures', body);
  const { erasureId } = z.object({ erasureId: z.string() }).parse(await asked.json());
  await sending;
  const get = async () => erasureSchema.parse(await (await product.ask('GET', `/erasures/${erasureId}`)).json());
  await expect.poll(async () => (await get()).status, SOON).not.toBe('running');
  await expect.poll(product.lag, SOON).toBe(0);

  const { report, signature, failure } = await get();
  expect(failure).toBeNull();
  expect(report).toMatchObject({ verdict: 'erased', verification: { left: 0, held: 0 } });
  const verifier = createVerifier(publicKey.export({ type: 'spki', format: 'pem' }).toString());
  expect(verifier.verifies(canonicalJson(report), signature ?? '')).toBe(true);

  expect(await tablesWith(pool, CANARY)).toEqual([]);
  expect(await product.brokenBooks()).toEqual([]);

  const redis = new Redis(product.env.REDIS_URL);
  const keys = await redis.keys(`${product.env.RETRY_QUEUE_PREFIX}*`);
  const dumps = await Promise.all(keys.map(async (key) => (await redis.dumpBuffer(key))?.toString('latin1') ?? ''));
  await redis.quit();
  const histories = await historiesOf(temporal);
  expect(histories.join('\n')).toContain(erasureId);
  const logs = [...(await product.workerLogs()), JSON.stringify(logger.lines)];
  expect(logs.join('\n')).toContain('erasure requested');
  for (const [where, texts] of Object.entries({ histories, logs, keys, dumps, answers: [JSON.stringify(report)] })) {
    expect(texts.join('\n').includes('canary'), where).toBe(false);
  }
});

/** All workflows of the namespace, with their payloads as they can be read. */
async function historiesOf({ workflow }: Client): Promise<string[]> {
  const texts: string[] = [];
  for await (const { workflowId, runId } of workflow.list()) {
    const history = historyToJSON(await workflow.getHandle(workflowId, runId).fetchHistory());
    texts.push(history);
    for (const [, data] of history.matchAll(/"data": ?"([^"]+)"/g)) {
      texts.push(Buffer.from(data ?? '', 'base64').toString());
    }
  }
  return texts;
}
