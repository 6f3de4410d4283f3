/** The content of files, uncompressed, and what a format says of it. */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import {
  type CompileAvro,
  type FileReading,
  FileUnavailableError,
  InvalidFileError,
} from '../../activities/file-ports.ts';
import { readAvroLayout } from './avro.ts';
import { readCsvLayout } from './csv.ts';
import { NDJSON } from './ndjson.ts';
import type { Layout } from './pieces.ts';
import { FileChangedError } from './place.ts';
import { unzstd } from './zstd.ts';

/** Of what comes out of decompression at a time, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Compressed text has a tenth or a hundredth of its size. What grows by more than this, beyond a size that does no harm,
 * is made to keep a worker busy.
 */
const MOST_GROWTH = 500;
const HARMLESS_BYTES = 8 * 1024 ** 2;

const UNPACK: Readonly<Record<string, (stored: Readable) => Readable>> = {
  // Failures are those of the result: who reads it gets them.
  '.gz': (stored) => pipeline(stored, createGunzip({ chunkSize: CHUNK_BYTES }), () => {}),
  '.zst': (stored) => unzstd(stored, CHUNK_BYTES),
};

/** The ending that tells how a file is compressed, null without. */
export function compressionOf(uri: string): string | null {
  return Object.keys(UNPACK).find((ending) => uri.endsWith(ending)) ?? null;
}

/**
 * Uncompresses what is stored, by the file's name. Destroying the result ends reading. It fails with InvalidFileError
 * when it grows without reason.
 */
export function unpacked(uri: string, stored: Readable): Readable {
  const ending = compressionOf(uri);
  return ending === null ? stored : limited(stored, UNPACK[ending] as (stored: Readable) => Readable);
}

function limited(stored: Readable, unpack: (stored: Readable) => Readable): Readable {
  let taken = 0;
  async function* counted() {
    for await (const buffer of stored as AsyncIterable<Buffer>) {
      taken += buffer.length;
      yield buffer;
    }
  }
  async function* content() {
    let made = 0;
    for await (const buffer of unpack(Readable.from(counted(), { highWaterMark: 1 })) as AsyncIterable<Buffer>) {
      made += buffer.length;
      if (made > HARMLESS_BYTES && made > MOST_GROWTH * taken) {
        throw new InvalidFileError(`it grows to more than ${MOST_GROWTH} times its size when it is uncompressed`);
      }
      yield buffer;
    }
  }
  return Readable.from(content(), { highWaterMark: 1 });
}

/** The buffers of a stream from a byte on. @throws InvalidFileError for damaged compression, else what the place says */
export async function* buffersOf(content: Readable, skip = 0): AsyncGenerator<Buffer> {
  let left = skip;
  try {
    for await (const bytes of content as AsyncIterable<Buffer>) {
      if (bytes.length > left) yield bytes.subarray(left);
      left = Math.max(0, left - bytes.length);
    }
  } catch (error) {
    throw isOfPlace(error) ? error : new InvalidFileError('it is damaged: it can not be uncompressed to its end');
  }
}

function isOfPlace(error: unknown): boolean {
  return (
    error instanceof FileChangedError || error instanceof FileUnavailableError || error instanceof InvalidFileError
  );
}

/**
 * What the head of a file says of the rest.
 * @param start opens the content from its beginning; ended when enough is known
 * @throws InvalidFileError when the file is not what it is said to be
 */
export async function readLayout(
  compile: CompileAvro,
  { format, csv }: FileReading,
  start: () => AsyncIterable<Buffer>,
): Promise<Layout> {
  switch (format) {
    case 'ndjson':
      return NDJSON;
    case 'avro':
      return readAvroLayout(compile, start());
    case 'csv':
      if (csv === null) throw new InvalidFileError('a CSV file needs a mapping of its columns');
      return readCsvLayout(csv, start());
  }
}
