import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { sql } from 'slonik';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { startS3TestServer } from '../../stack/s3-test-server.ts';
import { CANARY, createReplayHarness } from './replays-harness.ts';

const CREDENTIALS = { accessKeyId: 'crm', secretAccessKey: 'secret' };
const EVENTS = 2_000;
const BAD_LINE = 700;
/** So that the file is divided: chunks have 32 MiB. */
const PADDING = ' '.repeat(20_000);
const AT = '2026-10-01T12:00:00Z';

function leadLine(eventId: string): string {
  const person = { firstName: 'Ada', lastName: 'Lovelace', email: CANARY, source: 'file', status: 'new' };
  const data = { id: `lead-${eventId}`, ...person, createdAt: AT, updatedAt: AT, organizationId: 'org-1' };
  return JSON.stringify({ eventId, eventType: 'lead.created', organizationId: 'org-1', timestamp: AT, data });
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'crm-backfill-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function startStorage() {
  const server = await startS3TestServer(await newFolder(), CREDENTIALS);
  onTestFinished(() => server.stop());
  const { endpoint } = server;
  const client = new S3Client({ endpoint, region: 'us-east-1', credentials: CREDENTIALS, forcePathStyle: true });
  onTestFinished(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: 'crm' }));
  return {
    env: {
      S3_ENDPOINT: endpoint,
      S3_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      S3_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      S3_FORCE_PATH_STYLE: 'true',
    },
    put: (key: string, content: Buffer) =>
      client.send(new PutObjectCommand({ Bucket: 'crm', Key: key, Body: content })),
  };
}

/** Also where a worker needs a minute to start, since others use the machine. */
function untilDone({ get }: Pick<Awaited<ReturnType<typeof createReplayHarness>>, 'get'>, id: string, offsets: number) {
  const options = { timeout: 240_000, interval: 200 };
  return expect.poll(async () => (await get(id)).done, options).toBeGreaterThanOrEqual(offsets);
}

const CSV = {
  mapping: { id: 'eventId', first: 'data.firstName', mail: 'data.email' },
  constants: {
    ...{ eventType: 'lead.created', organizationId: 'org-1', timestamp: AT, 'data.id': 'lead-c' },
    ...{ 'data.lastName': 'King', 'data.source': 'file', 'data.status': 'new', 'data.organizationId': 'org-1' },
    ...{ 'data.createdAt': AT, 'data.updatedAt': AT },
  },
};

const failedRow = z.object({ failedId: z.number(), topic: z.string(), offset: z.number(), code: z.string() });

// The first run on a machine builds the storage.
describe('a backfill from files', { timeout: 600_000 }, () => {
  it('stages a bucket by the mapping of its columns, once however often it is asked for, and a folder though its worker is killed', async () => {
    const root = await newFolder();
    const storage = await startStorage();
    const product = await createReplayHarness({ BACKFILL_DIR: root, ...storage.env });
    const { pool } = product;
    const failures = () =>
      pool.any(sql.type(failedRow)`
        SELECT failed_id AS "failedId", topic, "offset", error_code AS code FROM analytics.crm_failed_events
        ORDER BY failed_id
      `);
    const worker = product.startWorker();

    const rows = Array.from({ length: 50 }, (_, index) => `c-${index},"Ada\nKing",${CANARY}`).join('\r\n');
    await storage.put('2026/leads.csv.gz', gzipSync(`id,first,mail\r\n${rows}\r\nc-50,Ada\r\n`));
    const ofBucket = { source: 'files', bucket: 'crm', prefix: '2026/', format: 'csv', csv: CSV };
    for (const stored of [50, 0]) {
      const { replayId } = await product.request(ofBucket, '/backfills');
      expect((await product.untilStatus(replayId, 'finished')).counts).toMatchObject({ stored });
    }
    expect(await product.staged()).toEqual({ rows: 50, ids: 50 });
    const [ofRow, ...others] = await failures();
    expect(ofRow).toMatchObject({ topic: 'file:s3://crm/2026/leads.csv.gz', offset: 102, code: 'undecodable' });
    expect(others).toEqual([]);

    const lines = Array.from({ length: EVENTS }, (_, index) => leadLine(`a-${index + 1}`) + PADDING);
    lines[BAD_LINE - 1] = `${lines[BAD_LINE - 1]!.slice(0, 200)}`;
    await mkdir(path.join(root, 'in'));
    await writeFile(path.join(root, 'in/leads.ndjson'), `${lines.join('\n')}\n`);
    const ofFolder = { source: 'files', folder: 'in', format: 'ndjson', lanes: 2, ratePerSecond: 1_000 };
    const { replayId } = await product.request(ofFolder, '/backfills');
    await untilDone(product, replayId, 300);
    await product.end(worker, 'SIGKILL');
    product.startWorker();
    const { counts, total } = await product.untilStatus(replayId, 'finished');
    const parts = await product.count(sql.fragment`FROM analytics.crm_replay_parts WHERE replay_id = ${replayId}`);
    expect(parts).toBeGreaterThan(1);
    expect({ total, counts }).toMatchObject({ total: EVENTS, counts: { stored: EVENTS - 1, dead: 1 } });
    expect(await product.staged()).toEqual({ rows: EVENTS + 49, ids: EVENTS + 49 });
    expect(await product.brokenBooks()).toEqual([]);
    expect(
      await pool.any(sql.type(z.object({ eventId: z.string(), topic: z.string(), offset: z.number() }))`
        SELECT event_id AS "eventId", topic, "offset" FROM analytics.crm_events_log WHERE event_id IN ('a-1', 'a-1999')
        ORDER BY "offset"
      `),
    ).toEqual([
      { eventId: 'a-1', topic: 'file:///in/leads.ndjson', offset: 1 },
      { eventId: 'a-1999', topic: 'file:///in/leads.ndjson', offset: 1_999 },
    ]);
    const ofLine = (await failures()).at(-1);
    expect(ofLine).toMatchObject({ topic: 'file:///in/leads.ndjson', offset: BAD_LINE, code: 'undecodable' });
    expect(await product.answer(200, 'GET', `/dead-letters/${ofLine!.failedId}`)).toMatchObject({
      undecodable: { code: 'undecodable', detail: 'not an event in JSON' },
    });
    expect(await product.history(replayId)).not.toContain(CANARY);
    expect((await product.workerLogs()).join()).not.toContain(CANARY);
  });

  it('that was changed since it was planned is not read on', async () => {
    const root = await newFolder();
    const product = await createReplayHarness({ BACKFILL_DIR: root });
    const file = path.join(root, 'leads.ndjson');
    await writeFile(file, Array.from({ length: 500 }, (_, index) => `${leadLine(`b-${index}`)}\n`).join(''));
    product.startWorker();
    const body = { source: 'files', folder: '.', format: 'ndjson', lanes: 1, ratePerSecond: 50 };
    const { replayId } = await product.request(body, '/backfills');
    await untilDone(product, replayId, 20);
    await product.tell(replayId, 'pause');
    await product.untilStatus(replayId, 'paused');
    await appendFile(file, `${leadLine('b-500')}\n`);
    await product.tell(replayId, 'resume');
    await product.untilStatus(replayId, 'failed');
    expect(await product.answer(200, 'GET', `/replays/${replayId}`)).toMatchObject({
      reason: expect.stringContaining('is another log than the one that the range is of'),
    });
    expect(await product.brokenBooks()).toEqual([]);
  });
});
