import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { BooksSchema } from '../../api/routes/books.ts';
import { auditWorkflowId } from '../../workflows/contracts.ts';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { ids, leadRecords } from '../helpers/wire-leads.ts';

const run = promisify(execFile);

/** Two processes of our own start beside everything else that the machine does. */
const SLOW_MS = 120_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

it('proves over HTTP what a worker ingested, signed so that the command line can check it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'crm-audit-'));
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const [privatePath, publicPath, reportPath] = ['private.pem', 'public.pem', 'report.json'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await writeFile(privatePath, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(publicPath, publicKey.export({ type: 'spki', format: 'pem' }));
  const product = await createProduct({ partitions: 2, env: { AUDIT_SIGNING_KEY_FILE: privatePath } });
  const { kafka, topics, schemaIds, control, settings, env, temporal } = product;
  const port = await freePort();
  product.startWorker();
  const api = spawn(process.execPath, ['api/server.ts'], { env: { ...env, API_PORT: String(port) }, stdio: 'ignore' });
  onTestFinished(() => void api.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}/api/v1/crm-ingestion`;
  await produce(kafka, [
    ...leadRecords(topics.leads, schemaIds.leads, ids('a', 500), 0),
    ...leadRecords(topics.leads, schemaIds.leads, ids('b', 300), 1),
    { topic: topics.leads, key: 'bad', value: Buffer.from('no wire format'), partition: 1 },
  ]);
  await control.start(settings);
  await expect.poll(() => product.lag(), { timeout: SLOW_MS, interval: 200 }).toBe(0);

  const books = BooksSchema.parse(await (await fetch(`${url}/books?topic=${topics.leads}`)).json());
  expect(books).toMatchObject({
    balanced: true,
    reasons: [],
    totals: { records: 801, stored: 800, dead: 1 },
    notes: [],
  });
  expect(books.partitions?.map(({ next, logEnd }) => [next, logEnd])).toEqual([
    [500, 500],
    [301, 301],
  ]);

  const asked = await fetch(`${url}/audits`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-operator': 'ada' },
    body: JSON.stringify({ topic: topics.leads, recount: true }),
  });
  expect(asked.status).toBe(202);
  const { auditId } = z.object({ auditId: z.string() }).parse(await asked.json());
  const report = async () => (await fetch(`${url}/audits/${auditId}`)).text();
  await expect
    .poll(async () => JSON.parse(await report()), { timeout: SLOW_MS, interval: 200 })
    .toMatchObject({ status: 'finished' });
  const text = await report();
  expect(JSON.parse(text)).toMatchObject({
    requestedBy: 'ada',
    report: { verdict: 'clean', partitions: [{ kafka: { recount: { records: 500 } } }, { log: { dead: 1 } }] },
  });

  await writeFile(reportPath, text);
  const verify = () => run(process.execPath, ['scripts/audit-verify.ts', reportPath, '--key', publicPath]);
  expect((await verify()).stdout).toContain('the signature is valid');
  await writeFile(reportPath, text.replace('"stored":500', '"stored":501'));
  await expect(verify()).rejects.toMatchObject({ code: 1, stdout: expect.stringContaining('WRONG SIGNATURE') });

  // What Temporal keeps of it: ids and counts, nothing of the report.
  const { events } = await temporal.workflow.getHandle(auditWorkflowId(auditId)).fetchHistory();
  const history = JSON.stringify(events);
  expect(Buffer.byteLength(history)).toBeLessThan(50_000);
  expect(history).not.toContain(Buffer.from('org-1').toString('base64'));
  expect(await product.count('crm_audits')).toBe(1);
}, 240_000);

it('shows how it is used', async () => {
  const { stdout } = await run(process.execPath, ['scripts/audit-verify.ts', '--help']);
  expect(stdout).toContain('--key <file>');
  expect(stdout).toContain('Exit code 1');
});

it('says which file it can not read', async () => {
  const missing = run(process.execPath, ['scripts/audit-verify.ts', '/does/not/exist.json', '--key', '/nor/this.pem']);
  await expect(missing).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('/does/not/exist.json') });
});
