import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { FileReading, OpenedFile, ScannedFile } from '../../../activities/file-ports.ts';
import type { LogReader, LogRecord, LogSlice } from '../../../activities/ports.ts';
import { createFileReader, createFiles, type FileStore } from '../../../adapters/files/index.ts';
import { compileAvro } from '../../../adapters/registry/avro-files.ts';

export const NDJSON: FileReading = { format: 'ndjson', csv: null };
export const AVRO: FileReading = { format: 'avro', csv: null };
export const NO_S3 = { endpoint: null, region: 'us-east-1', credentials: null, forcePathStyle: true };

const NEVER = new AbortController().signal;

/** A folder of its own, as the configured one. */
export async function folderOf(files: Record<string, string | Buffer>) {
  const root = await mkdtemp(path.join(tmpdir(), 'crm-files-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await write(name, content);
  const store = createFiles({ root, s3: NO_S3, compileAvro });

  async function write(name: string, content: string | Buffer): Promise<void> {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), content);
  }

  return { root, store, write };
}

/** Scans the only file of its format in a folder. */
export async function scanOnly(store: FileStore, reading: FileReading, chunkBytes = 2 ** 20): Promise<ScannedFile> {
  const [found, ...others] = await store.list({ folder: '.' }, reading.format, NEVER);
  if (found === undefined || others.length > 0) throw new Error('one file was expected');
  return store.scan(found, reading, { chunkBytes, onProgress: () => {}, signal: NEVER });
}

export function opened({ uri, topic, version, stamp, chunks }: ScannedFile, reading: FileReading): OpenedFile {
  return { uri, topic, version, stamp, reading, chunks };
}

/** The file in a folder of its own, scanned and ready to read. */
export async function fileOf(name: string, content: string | Buffer, reading: FileReading, chunkBytes?: number) {
  const { store, write, root } = await folderOf({ [name]: content });
  const file = await scanOnly(store, reading, chunkBytes);
  const reader = createFileReader(store, [opened(file, reading)]);
  return { store, file, reader, root, write: (changed: string | Buffer) => write(name, changed) };
}

/** Every slice of a range, by batches of so many records. */
export async function slicesOf(
  reader: LogReader,
  range: { topic: string; from: number; to: number },
  maxRecords = 1_000,
): Promise<LogSlice[]> {
  const session = reader.open([{ ...range, partition: 0 }]);
  const slices: LogSlice[] = [];
  while (!session.finished) {
    slices.push(...(await session.next({ maxRecords, lingerMs: 50, signal: AbortSignal.timeout(10_000) })));
    if (session.trouble !== null) throw new Error(session.trouble);
  }
  await session.close();
  return slices;
}

export async function recordsOf(
  reader: LogReader,
  { topic, chunks }: ScannedFile,
  from = 1,
  to = chunks.at(-1)?.to ?? 1,
): Promise<LogRecord[]> {
  return (await slicesOf(reader, { topic, from, to })).flatMap(({ records }) => records);
}

/** Offset and text of each record. */
export function textsOf(records: readonly LogRecord[]): Array<[offset: number, text: string]> {
  return records.map(({ offset, value }) => [offset, value?.toString('utf8') ?? 'null']);
}
