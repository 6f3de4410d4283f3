/** Files that somebody else put into the folder of backfills, or swapped while they were read. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { symlink } from 'node:fs/promises';
import path from 'node:path';
import type { Transform } from 'node:stream';
import { promisify } from 'node:util';
import { createGzip, createZstdCompress, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createFileDecoder } from '../../adapters/files/index.ts';
import { SCHEMAS } from '../../domain/schemas.ts';
import { AVRO, fileOf, folderOf, NDJSON, recordsOf, scanOnly, textsOf } from '../unit/files/folder-harness.ts';

const run = promisify(execFile);
const NEVER = new AbortController().signal;
const SCAN = { chunkBytes: 2 ** 20, onProgress: () => {}, signal: NEVER };

describe('a folder of files', () => {
  it.each([
    '..%2F..%2F..%2Fetc%2Fpasswd',
    '../../../etc/passwd',
    '%2e%2e/%2e%2e/etc/passwd',
    '/etc/passwd',
    '%2Fetc%2Fpasswd',
    'in/../../outside.ndjson',
    '..',
  ])('does not open file:///%s', async (place) => {
    const { store } = await folderOf({ 'in/a.ndjson': '{}\n' });
    await expect(store.scan({ uri: `file:///${place}`, bytes: 3 }, NDJSON, SCAN)).rejects.toThrow('lies outside');
  });

  it.each([
    ['a path as another system writes it', 'file:///..\\..\\etc\\passwd'],
    ['a host', 'file://host/share/a.ndjson'],
    ['another scheme', 'http://127.0.0.1:1/a.ndjson'],
    ['a name that is too long', `file:///${'a'.repeat(5_000)}`],
  ])('has no file for %s', async (_, uri) => {
    const { store } = await folderOf({ 'in/a.ndjson': '{}\n' });
    await expect(store.scan({ uri, bytes: 3 }, NDJSON, SCAN)).rejects.toThrow('there is no');
  });

  it('reads what is a file, and no pipe, device or folder under its name', async () => {
    const { store, root } = await folderOf({ 'a.ndjson': '{}\n', 'c.ndjson/x.txt': '' });
    await run('mkfifo', [path.join(root, 'b.ndjson')]);
    await symlink(path.join(root, 'b.ndjson'), path.join(root, 'd.ndjson'));
    expect(await store.list({ folder: '.' }, 'ndjson', NEVER)).toEqual([{ uri: 'file:///a.ndjson', bytes: 3 }]);
    for (const name of ['b.ndjson', 'c.ndjson', 'd.ndjson']) {
      await expect(store.scan({ uri: `file:///${name}`, bytes: 3 }, NDJSON, SCAN)).rejects.toThrow('is no file');
    }
  });

  it.each(['/dev/zero', '/proc/self/environ', '/etc/passwd'])('follows no link to %s', async (target) => {
    const { store, root } = await folderOf({ 'in/a.ndjson': '{}\n' });
    await symlink(target, path.join(root, 'b.ndjson'));
    await expect(store.list({ folder: '.' }, 'ndjson', NEVER)).rejects.toThrow('lies outside');
    await expect(store.scan({ uri: 'file:///b.ndjson', bytes: 3 }, NDJSON, SCAN)).rejects.toThrow('lies outside');
  });

  it('follows no links that go round', async () => {
    const { store, root } = await folderOf({ 'in/a.ndjson': '{}\n' });
    await symlink('c.ndjson', path.join(root, 'b.ndjson'));
    await symlink('b.ndjson', path.join(root, 'c.ndjson'));
    await expect(store.scan({ uri: 'file:///b.ndjson', bytes: 3 }, NDJSON, SCAN)).rejects.toThrow('there is no');
  });
});

/** Writes a compressed file of so many MiB of zeros. */
async function bomb(name: string, pack: Transform, mebibytes: number): Promise<void> {
  const piece = Buffer.alloc(2 ** 20);
  const file = pack.pipe(createWriteStream(name));
  for (let written = 0; written < mebibytes; written += 1) {
    if (!pack.write(piece)) await once(pack, 'drain');
  }
  pack.end();
  await once(file, 'close');
}

describe('files that grow', () => {
  it.each([
    ['gz', createGzip],
    ['zst', createZstdCompress],
  ])('in .%s are refused before they are read to their ends', async (ending, createPack) => {
    const { store, root } = await folderOf({ 'x.txt': '' });
    await bomb(path.join(root, `a.ndjson.${ending}`), createPack(), 256);
    const before = process.resourceUsage().maxRSS;
    await expect(scanOnly(store, NDJSON)).rejects.toThrow('grows to more than 500 times');
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(100 * 1_024);
  });

  it('as blocks of Avro fail by themselves, and what follows is read', async () => {
    const sync = Buffer.alloc(16, 7);
    for (const [codec, pack] of [
      ['deflate', deflateRawSync],
      ['zstandard', zstdCompressSync],
    ] as const) {
      const zeros = pack(Buffer.alloc(65 * 2 ** 20));
      const content = Buffer.concat([avroHead(codec, sync), block(3, zeros, sync), block(2, zeros, sync)]);
      const { reader, file } = await fileOf('a.avro', content, AVRO);
      const records = await recordsOf(reader, file);
      expect(records).toHaveLength(5);
      for (const { value } of records) {
        expect(createFileDecoder().decode(value!, file.topic)).toMatchObject({
          ok: false,
          rejection: { code: 'undecodable' },
        });
      }
    }
  });

  it('that say of a few bytes that they are a million records make as many failures as they have bytes', async () => {
    const sync = Buffer.alloc(16, 7);
    const content = Buffer.concat([avroHead('null', sync), block(1_000_000, Buffer.from('ab'), sync)]);
    const { reader, file } = await fileOf('a.avro', content, AVRO);
    expect((await recordsOf(reader, file)).length).toBeLessThan(30);
  });

  it('in a codec that is not read here are refused by its name', async () => {
    const content = avroHead('snappy', Buffer.alloc(16, 7));
    await expect(fileOf('a.avro', content, AVRO)).rejects.toThrow('write it with null, deflate, zstandard');
  });

  it('that are compressed twice are lines that are no JSON', async () => {
    const { reader, file } = await fileOf('a.ndjson.gz', gzipSync(gzipSync('{"a":1}\n')), NDJSON);
    for (const { value } of await recordsOf(reader, file)) {
      expect(createFileDecoder().decode(value!, file.topic)).toMatchObject({ ok: false });
    }
  });
});

/** A zigzag varint. */
function long(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value * 2; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) | 0x80);
  }
}

const sized = (content: string | Buffer) => Buffer.concat([long(Buffer.byteLength(content)), Buffer.from(content)]);

function avroHead(codec: string, sync: Buffer): Buffer {
  const schema = JSON.stringify(SCHEMAS.leads);
  return Buffer.concat([
    Buffer.from('Obj\x01', 'latin1'),
    long(2),
    ...[sized('avro.codec'), sized(codec), sized('avro.schema'), sized(schema)],
    long(0),
    sync,
  ]);
}

const block = (count: number, content: Buffer, sync: Buffer) =>
  Buffer.concat([long(count), long(content.length), content, sync]);

describe('names that objects have by themselves', () => {
  const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];

  it.each(NAMES)('as %s in a line of JSON are fields that nobody knows', async (name) => {
    const line = `{"eventId":"1","${name}":{"polluted":1},"data":{"${name}":{"polluted":1}}}\n`;
    const { reader, file } = await fileOf('a.ndjson', line, NDJSON);
    const [only] = await recordsOf(reader, file);
    expect(await createFileDecoder().decode(only!.value!, file.topic)).toMatchObject({ ok: false });
    expect('polluted' in {}).toBe(false);
  });

  it.each(NAMES)('as %s in a header line of CSV are columns like others', async (name) => {
    const mapping = JSON.parse(`{"${name}":"data.email","id":"eventId"}`) as Record<string, never>;
    const csv = { mapping, delimiter: ',', constants: {} };
    const { reader, file } = await fileOf('a.csv', `id,${name}\n1,"=1+1"\n`, { format: 'csv', csv });
    expect(textsOf(await recordsOf(reader, file))).toEqual([[2, '{"data":{"email":"=1+1"},"eventId":"1"}']]);
    expect(Object.hasOwn(Object.prototype, 'email')).toBe(false);
  });

  it.each(NAMES)('as data.%s are no place for a column', async (name) => {
    const csv = { mapping: { id: `data.${name}` as const }, delimiter: ',', constants: {} };
    await expect(fileOf('a.csv', 'id\n1\n', { format: 'csv', csv })).rejects.toThrow('which no event has');
  });
});
