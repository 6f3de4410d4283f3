import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ScannedFile } from '../../activities/file-ports.ts';
import { LogIdentityError } from '../../activities/ports.ts';
import { createFileReader, createFiles, type S3Options } from '../../adapters/files/index.ts';
import { compileAvro } from '../../adapters/registry/avro-files.ts';
import { type S3TestServer, startS3TestServer } from '../../stack/s3-test-server.ts';
import { NDJSON, opened, recordsOf, textsOf } from '../unit/files/folder-harness.ts';

const BUCKET = 'crm';
const NEVER = new AbortController().signal;
const CREDENTIALS = Object.freeze({ accessKeyId: 'reader', secretAccessKey: 'canary-secret' });
const LINES = Array.from({ length: 20_000 }, (_, index) => `{"line":${index + 1},"text":"${'x'.repeat(100)}"}`);
const CONTENT = `${LINES.join('\n')}\n`;

let dir: string;
let server: S3TestServer;
let client: S3Client;

// The first run on a machine builds the server.
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'crm-s3-'));
  server = await startS3TestServer(dir, CREDENTIALS);
  client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: { ...CREDENTIALS },
    forcePathStyle: true,
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
}, 600_000);

afterAll(async () => {
  client.destroy();
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

const put = (key: string, content: string | Buffer) =>
  client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: Buffer.from(content as string) }));

function storeOf(over: Partial<S3Options> = {}) {
  const s3 = {
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: CREDENTIALS,
    forcePathStyle: true,
    ...over,
  };
  // As the configuration is.
  const store = createFiles({ root: null, s3: Object.freeze(s3), compileAvro });
  onTestFinished(() => store.close());
  return store;
}

async function fileOf(key: string, content: string | Buffer, chunkBytes = 100_000) {
  await put(key, content);
  const store = storeOf();
  const [found] = await store.list({ bucket: BUCKET, prefix: key }, 'ndjson', NEVER);
  const file: ScannedFile = await store.scan(found!, NDJSON, { chunkBytes, onProgress: () => {}, signal: NEVER });
  return { file, reader: createFileReader(store, [opened(file, NDJSON)]) };
}

describe('a bucket', () => {
  it('gives the files below a prefix, however many pages they take', async () => {
    const keys = Array.from({ length: 1_050 }, (_, index) => `many/a b/${String(index).padStart(4, '0')}.ndjson`);
    await Promise.all([...keys, 'many/x.csv', 'other/y.ndjson'].map((key) => put(key, '')));
    const found = await storeOf().list({ bucket: BUCKET, prefix: 'many/' }, 'ndjson', NEVER);
    expect(found.map(({ uri }) => uri)).toEqual(keys.map((key) => `s3://crm/${key.replace(' ', '%20')}`));
  });

  it.each([
    ['is not there', {}, 'nowhere', 'there is no bucket nowhere'],
    [
      'is not ours',
      { credentials: { accessKeyId: 'stranger', secretAccessKey: 'canary' } },
      BUCKET,
      'S3_ACCESS_KEY_ID',
    ],
    ['can not be asked', { endpoint: 'http://127.0.0.1:1' }, BUCKET, 'can not be asked for bucket crm (ECONNREFUSED)'],
  ])('that %s says so, and no secret', async (_, over, bucket, words) => {
    const failure = await storeOf(over)
      .list({ bucket, prefix: '' }, 'ndjson', NEVER)
      .catch((error: Error) => error);
    expect((failure as Error).message).toContain(words);
    expect((failure as Error).message).not.toContain('canary');
  });
});

describe('a file in S3', () => {
  it('is read like one of a folder, from any line on', async () => {
    const { file, reader } = await fileOf('plain/a.ndjson', CONTENT);
    expect(file.topic).toBe('file:s3://crm/plain/a.ndjson');
    expect(file.chunks.length).toBeGreaterThan(10);
    expect(textsOf(await recordsOf(reader, file))).toEqual(LINES.map((line, index) => [index + 1, line]));
    expect(textsOf(await recordsOf(reader, file, 12_345, 12_347))).toEqual([
      [12_345, LINES[12_344]],
      [12_346, LINES[12_345]],
    ]);
  });

  it('may be packed, and its version is that of its content, wherever it lies', async () => {
    const packed = gzipSync(CONTENT);
    const first = await fileOf('packed/a.ndjson.gz', packed);
    const second = await fileOf('packed/b.ndjson.gz', packed);
    expect(first.file.version).toBe(second.file.version);
    expect(textsOf(await recordsOf(first.reader, first.file, 19_999))).toEqual([
      [19_999, LINES[19_998]],
      [20_000, LINES[19_999]],
    ]);
  });

  it('that was written anew is noticed by its content', async () => {
    const { file, reader } = await fileOf('changed/a.ndjson', CONTENT);
    const at = { topic: file.topic, partition: 0 };
    await put('changed/a.ndjson', CONTENT);
    expect((await reader.bounds([at]))[0]).toMatchObject({ topicId: file.version, end: 20_001 });
    await put('changed/a.ndjson', CONTENT.replace('x', 'y'));
    const session = reader.open([{ ...at, from: 1, to: 20_001 }]);
    await expect(session.next({ maxRecords: 10, lingerMs: 0, signal: NEVER })).rejects.toThrow(LogIdentityError);
    expect((await reader.bounds([at]))[0]!.topicId).not.toBe(file.version);
  });

  it('is read on at its line after the storage was away', async () => {
    // More than the buffers between here and there take.
    const lines = LINES.slice(0, 10_000).map((line) => line + ' '.repeat(4_000));
    const { file, reader } = await fileOf('away/a.ndjson', lines.join('\n'), 2 ** 30);
    const session = reader.open([{ topic: file.topic, partition: 0, from: 1, to: 10_001 }]);
    const [first] = await session.next({ maxRecords: 1, lingerMs: 0, signal: NEVER });
    await server.stop();
    const texts = textsOf(first!.records);
    const reading = (async () => {
      while (!session.finished) {
        const slices = await session.next({ maxRecords: 5_000, lingerMs: 20, signal: NEVER });
        texts.push(...slices.flatMap(({ records }) => textsOf(records)));
      }
    })();
    await expect.poll(() => session.trouble, { timeout: 20_000 }).toContain('the storage can not be asked for');
    server = await startS3TestServer(dir, CREDENTIALS, { port: Number(new URL(server.endpoint).port) });
    await reading;
    expect(texts).toEqual(lines.map((line, index) => [index + 1, line]));
  });
});
