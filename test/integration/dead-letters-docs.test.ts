import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { sql } from 'slonik';
import { expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { eventToJson } from '../../domain/event-json.ts';
import { createEventEncoder } from '../../scripts/lib/event-encoder.ts';
import { eventAbout } from '../../scripts/lib/send-plan.ts';
import { testFactory, withCanary } from '../helpers/events.ts';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';

const failedRow = z.object({ failed_id: z.number(), status: z.string() });
const logRow = z.object({ status: z.string(), retry_count: z.number(), errors: z.unknown() });

/** The commands that operators are shown, in their order. */
async function documentedCommands(): Promise<string> {
  const docs = await readFile(new URL('../../docs/DEAD-LETTERS.md', import.meta.url), 'utf8');
  // Only those on failed events one by one; those on many have a test of their own.
  const [own = ''] = docs.split('\n## Many at once');
  return [...own.matchAll(/^```bash\n(.*?)^```/gms)].map(([, block]) => block).join('\n');
}

/** The API as a process of its own. @returns where it listens */
async function startApi(env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, ['api/server.ts'], {
    env: { ...env, API_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    const { message, url } = JSON.parse(line) as { message: string; url?: string };
    if (message === 'API listens' && url !== undefined) {
      child.stdout.resume();
      return new URL(url).host;
    }
  }
  throw new Error(`the API ended before it listened: ${await once(child, 'exit')}`);
}

it('DEAD-LETTERS.md leads from a dead letter to a stored event', { timeout: 180_000 }, async () => {
  const product = await createProduct({ partitions: 1 });
  product.startWorker();
  await product.control.start(product.settings);
  const encoder = createEventEncoder(product.schemaIds);
  const factory = testFactory({ seed: 'docs', now: Date.now() });
  const first = eventAbout('lead', factory, 0);
  const second = eventAbout('lead', factory, first.index + 1);
  const leads = [first, second].map(({ generated }) => withCanary(generated.event));
  const records = leads.map((event) => {
    const tooLong = { ...event, data: { ...event.data, company: 'x'.repeat(300) } } as typeof event;
    return { topic: product.topics.events, partition: 0, key: event.eventId, value: encoder.encode('events', tooLong) };
  });
  await produce(product.kafka, records);

  const failed = () =>
    product.pool.any(sql.type(failedRow)`
      SELECT failed_id, status FROM analytics.crm_failed_events ORDER BY "offset"
    `);
  await vi.waitFor(async () => expect(await failed()).toHaveLength(2), { timeout: 60_000, interval: 200 });
  const [mended, givenUp] = await failed();

  const folder = await mkdtemp(join(tmpdir(), 'crm-docs-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'corrected.json'), JSON.stringify(eventToJson(leads[0]!)));
  const host = await startApi(product.env);
  const script = (await documentedCommands())
    .replaceAll('localhost:3000', host)
    .replaceAll(/\/17\b/gu, `/${mended?.failed_id}`)
    .replaceAll(/\/18\b/gu, `/${givenUp?.failed_id}`);
  expect(script).toContain('curl');
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: folder });

  const ended = () => failed().then((rows) => rows.map(({ status }) => status));
  await vi.waitFor(async () => expect(await ended()).toEqual(['resolved', 'discarded']), { timeout: 60_000 });
  const log = await product.pool.any(sql.type(logRow)`
    SELECT processing_status AS status, retry_count, metadata->'errors' AS errors FROM analytics.crm_events_log
    ORDER BY "offset"
  `);
  const path = [{ at: expect.any(String), code: 'too_long', detail: 'data.company: 300 characters, at most 255' }];
  expect(log).toEqual([
    { status: 'processed', retry_count: 1, errors: path },
    { status: 'discarded', retry_count: 0, errors: [] },
  ]);
  expect(await product.count('crm_leads_staging')).toBe(1);
  const exported = await readFile(join(folder, 'dead-letters.ndjson'), 'utf8');
  expect(exported.split('\n')).toHaveLength(3);
  expect([stdout, exported, await product.workerLogs()].join('\n')).not.toContain('canary');
});
