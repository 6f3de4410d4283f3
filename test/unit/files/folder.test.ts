import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LogIdentityError, LogUnavailableError } from '../../../activities/ports.ts';
import { createFileReader, createFiles } from '../../../adapters/files/index.ts';
import { compileAvro } from '../../../adapters/registry/avro-files.ts';
import { fileOf, folderOf, NDJSON, NO_S3, opened, recordsOf, scanOnly, textsOf } from './folder-harness.ts';

const NEVER = new AbortController().signal;

describe('a folder', () => {
  it('gives the files of a format in the order of their names, with those of folders below, and no hidden ones', async () => {
    const { store } = await folderOf({
      'in/b.ndjson': '{}\n',
      'in/a b.jsonl.gz': '',
      'in/2026/c.ndjson.zst': '',
      'in/d.csv': '',
      'in/.e.ndjson': '',
      'in/.f/g.ndjson': '',
      'other/h.ndjson': '',
    });
    expect(await store.list({ folder: 'in' }, 'ndjson', NEVER)).toEqual([
      { uri: 'file:///in/2026/c.ndjson.zst', bytes: 0 },
      { uri: 'file:///in/a%20b.jsonl.gz', bytes: 0 },
      { uri: 'file:///in/b.ndjson', bytes: 3 },
    ]);
    await expect(store.list({ folder: 'in' }, 'avro', NEVER)).rejects.toThrow('no file whose name ends with .avro');
  });

  it('does not let anybody out: not by its name, not by a link, not by a name that was planned', async () => {
    const { store, root } = await folderOf({ 'in/a.ndjson': '{}\n', 'links/readme.txt': '' });
    const outside = `${root}-outside`;
    await mkdir(outside);
    onTestFinished(() => rm(outside, { recursive: true }));
    await writeFile(path.join(outside, 'secret.ndjson'), '{}\n');
    await symlink(outside, path.join(root, 'elsewhere'));
    await symlink(path.join(outside, 'secret.ndjson'), path.join(root, 'links/secret.ndjson'));
    for (const folder of ['..', outside, 'elsewhere', 'links', `in/../../${path.basename(outside)}`]) {
      await expect(store.list({ folder }, 'ndjson', NEVER)).rejects.toThrow('lies outside of the folder');
    }
    const uri = `file:///..%2F${path.basename(outside)}%2Fsecret.ndjson`;
    const options = { chunkBytes: 1, onProgress: () => {}, signal: NEVER };
    await expect(store.scan({ uri, bytes: 3 }, NDJSON, options)).rejects.toThrow('lies outside of the folder');
  });

  it('must be configured, and be there', async () => {
    const none = createFiles({ root: null, s3: NO_S3, compileAvro });
    await expect(none.list({ folder: '.' }, 'ndjson', NEVER)).rejects.toThrow('set BACKFILL_DIR');
    const { store } = await folderOf({});
    await expect(store.list({ folder: 'nowhere' }, 'ndjson', NEVER)).rejects.toThrow('there is no nowhere');
  });
});

describe('a file as a log', () => {
  it('is named by its place and known by its content', async () => {
    const first = await fileOf('in/a.ndjson', '{"a":1}\n', NDJSON);
    const same = await fileOf('in/a.ndjson', '{"a":1}\n', NDJSON);
    const other = await fileOf('in/a.ndjson', '{"a":2}\n', NDJSON);
    expect(first.file.topic).toBe('file:///in/a.ndjson');
    expect(same.file.version).toBe(first.file.version);
    expect(other.file.version).not.toBe(first.file.version);
    expect(await first.reader.partitions([first.file.topic, 'crm.leads'])).toEqual([
      { topic: first.file.topic, partition: 0 },
    ]);
  });

  it('has a name of 249 characters at most, which is still its own', async () => {
    const folder = 'x'.repeat(200);
    const long = await fileOf(`${folder}/${'y'.repeat(100)}1.ndjson`, '{}', NDJSON);
    const other = await fileOf(`${folder}/${'y'.repeat(100)}2.ndjson`, '{}', NDJSON);
    expect(long.file.topic).toHaveLength(249);
    expect(other.file.topic).not.toBe(long.file.topic);
  });

  it('that got another time is the same, and is read; one that got other content is another, and is not', async () => {
    const { reader, file, root, write } = await fileOf('a.ndjson', '{"a":1}\n{"b":2}\n', NDJSON);
    const at = { topic: file.topic, partition: 0 };
    await utimes(path.join(root, 'a.ndjson'), 1, 1);
    expect(await reader.bounds([at])).toEqual([{ ...at, earliest: 1, end: 3, topicId: file.version }]);
    expect(textsOf(await recordsOf(reader, file))).toEqual([
      [1, '{"a":1}'],
      [2, '{"b":2}'],
    ]);
    await write('{"a":1}\n{"b":3}\n');
    const session = reader.open([{ ...at, from: 1, to: 3 }]);
    await expect(session.next({ maxRecords: 9, lingerMs: 0, signal: NEVER })).rejects.toThrow(LogIdentityError);
    const [bounds] = await reader.bounds([at]);
    expect(bounds!.topicId).not.toBe(file.version);
  });

  it('that is written to while it is read is noticed before anything of that is handed out', async () => {
    const line = `{"text":"${'x'.repeat(1_000)}"}\n`;
    const { reader, file, write } = await fileOf('a.ndjson', line.repeat(5_000), NDJSON);
    const session = reader.open([{ topic: file.topic, partition: 0, from: 1, to: 5_001 }]);
    const options = { maxRecords: 100, lingerMs: 1_000, signal: NEVER };
    expect((await session.next(options))[0]!.records).toHaveLength(100);
    await write(line.replaceAll('x', 'y').repeat(5_000));
    const read = async () => {
      const texts = [];
      while (!session.finished) for (const { records } of await session.next(options)) texts.push(...records);
      return texts;
    };
    await expect(read()).rejects.toThrow(LogIdentityError);
  });

  it('that can not be reached is waited for, with words for people, and read on when it is back', async () => {
    const { reader, file, root } = await fileOf('a.ndjson', '{"a":1}\n', NDJSON);
    const at = { topic: file.topic, partition: 0 };
    await rename(path.join(root, 'a.ndjson'), path.join(root, 'away'));
    await expect(reader.bounds([at])).rejects.toThrow(LogUnavailableError);
    const session = reader.open([{ ...at, from: 1, to: 2 }]);
    const next = session.next({ maxRecords: 9, lingerMs: 0, signal: NEVER });
    await expect.poll(() => session.trouble).toContain('there is no a.ndjson');
    await rename(path.join(root, 'away'), path.join(root, 'a.ndjson'));
    // To be renamed changes the time of the inode; a lane would look at the content again.
    await expect(next).rejects.toThrow(LogIdentityError);
    await reader.bounds([at]);
    expect(textsOf(await recordsOf(reader, file))).toEqual([[1, '{"a":1}']]);
  });

  it('ends a wait when it is told to, and when it is closed', async () => {
    const { reader, file, root } = await fileOf('a.ndjson', '{"a":1}\n', NDJSON);
    await rename(path.join(root, 'a.ndjson'), path.join(root, 'away'));
    const session = reader.open([{ topic: file.topic, partition: 0, from: 1, to: 2 }]);
    const stop = new AbortController();
    const stopped = session.next({ maxRecords: 9, lingerMs: 0, signal: stop.signal });
    stop.abort();
    expect(await stopped).toEqual([]);
    const closed = session.next({ maxRecords: 9, lingerMs: 0, signal: NEVER });
    await session.close();
    expect(await closed).toEqual([]);
  });

  it('is read no further ahead than the buffer takes', async () => {
    const line = `{"text":"${'x'.repeat(1_000)}"}\n`;
    const { root } = await folderOf({ 'a.ndjson': line.repeat(10_000) });
    const store = createFiles({ root, s3: NO_S3, compileAvro });
    const file = await scanOnly(store, NDJSON, 2 ** 30);
    const reader = createFileReader(store, [opened(file, NDJSON)], { maxBufferedBytes: 10_000 });
    const session = reader.open([{ topic: file.topic, partition: 0, from: 1, to: 10_001 }]);
    const [slice] = await session.next({ maxRecords: 100_000, lingerMs: 60_000, signal: NEVER });
    // One stretch of records is made at a time.
    expect(slice!.records.length).toBeLessThanOrEqual(1_100);
    await session.close();
  });
});
