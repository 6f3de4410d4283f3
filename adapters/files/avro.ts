/** Avro object container files: a head with the schema and the codec, then blocks of records. */
import { inflateRawSync, zstdDecompressSync } from 'node:zlib';
import { type CompileAvro, InvalidFileError, type ReadAvroBlock } from '../../activities/file-ports.ts';
import type { LogRecord } from '../../activities/ports.ts';
import { createBlockSplitter, readVarint, SYNC_BYTES } from './avro-blocks.ts';
import { type Layout, type Piece, recordOf } from './pieces.ts';
import { marked } from './problems.ts';

const MAGIC = Buffer.from('Obj\x01', 'latin1');
/** Larger heads hold no schema that anybody wrote. In bytes. */
const LARGEST_HEAD = 4 * 1024 ** 2;
/** Of one block, uncompressed, in bytes: what is larger would not fit the memory. */
const LARGEST_UNPACKED = 64 * 1024 ** 2;

const UNPACK: Readonly<Record<string, (block: Buffer) => Buffer>> = {
  null: (block) => block,
  deflate: (block) => inflateRawSync(block, { maxOutputLength: LARGEST_UNPACKED }),
  zstandard: (block) => zstdDecompressSync(block, { maxOutputLength: LARGEST_UNPACKED }),
};

/**
 * @param start the first buffers of the content, for the head
 * @throws InvalidFileError for what is no container file, and for a codec or a schema that we can't read
 */
export async function readAvroLayout(compile: CompileAvro, start: AsyncIterable<Buffer>): Promise<Layout> {
  const { metadata, sync, length } = await readHead(start);
  const codec = metadata.get('avro.codec')?.toString('latin1') ?? 'null';
  if (!Object.hasOwn(UNPACK, codec)) {
    throw new InvalidFileError(
      `the Avro file is compressed by a codec that is not read here; write it with ${Object.keys(UNPACK).join(', ')}`,
    );
  }
  const unpack = UNPACK[codec] as (block: Buffer) => Buffer;
  const read = compile(parseSchema(metadata.get('avro.schema')));
  if (typeof read !== 'function') {
    throw new InvalidFileError(`the schema of the Avro file is none of ours: ${read.problem}`);
  }
  return {
    firstByte: length,
    splitter: (at) => createBlockSplitter(sync, at),
    records: (piece) => recordsOf(piece, unpack, read),
  };
}

function recordsOf(piece: Piece, unpack: (block: Buffer) => Buffer, read: ReadAvroBlock): LogRecord[] {
  const { from, next, content, problem } = piece;
  const outcomes = problem === null ? readBlock(content, next - from, unpack, read) : null;
  if (outcomes === null) {
    // None of its records can be told from the others: each of them fails, and the first keeps the bytes.
    return Array.from({ length: next - from }, (_, index) =>
      index === 0
        ? recordOf(from, marked({ name: 'block', numbers: [] }, content))
        : recordOf(from + index, marked({ name: 'block-since', numbers: [from] }, content.subarray(0, 0))),
    );
  }
  return outcomes.map((outcome, index) =>
    recordOf(
      from + index,
      'json' in outcome ? Buffer.from(outcome.json) : marked({ name: outcome.problem, numbers: [] }, outcome.bytes),
    ),
  );
}

function readBlock(content: Buffer, count: number, unpack: (block: Buffer) => Buffer, read: ReadAvroBlock) {
  let block: Buffer;
  try {
    block = unpack(content);
  } catch {
    return null;
  }
  return read(block, count);
}

function parseSchema(bytes: Buffer | undefined): unknown {
  try {
    return JSON.parse(bytes?.toString('utf8') ?? '');
  } catch {
    throw new InvalidFileError('the head of the Avro file holds no schema');
  }
}

interface Head {
  metadata: ReadonlyMap<string, Buffer>;
  sync: Buffer;
  length: number;
}

async function readHead(start: AsyncIterable<Buffer>): Promise<Head> {
  let bytes: Buffer = Buffer.alloc(0);
  for await (const more of start) {
    bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
    if (!MAGIC.equals(bytes.subarray(0, MAGIC.length)) && bytes.length >= MAGIC.length) break;
    const head = parseHead(bytes);
    if (head !== null) return head;
    if (bytes.length > LARGEST_HEAD) break;
  }
  throw new InvalidFileError('this is no Avro container file, or it ends within its head');
}

/** null when it is not complete, or not a head. */
function parseHead(bytes: Buffer): Head | null {
  const metadata = new Map<string, Buffer>();
  let at = MAGIC.length;

  function readLong(): number | null {
    const found = readVarint(bytes, at);
    at = found?.end ?? at;
    return found?.value ?? null;
  }

  function readBytes(): Buffer | null {
    const length = readLong();
    if (length === null || length < 0 || at + length > bytes.length) return null;
    at += length;
    return bytes.subarray(at - length, at);
  }

  for (;;) {
    const count = readLong();
    if (count === null) return null;
    if (count === 0) break;
    // A negative count says that the size in bytes follows.
    if (count < 0 && readLong() === null) return null;
    for (let entry = 0; entry < Math.abs(count); entry += 1) {
      const key = readBytes();
      const value = key === null ? null : readBytes();
      if (key === null || value === null) return null;
      metadata.set(key.toString('utf8'), value);
    }
  }
  if (at + SYNC_BYTES > bytes.length) return null;
  return { metadata, sync: bytes.subarray(at, at + SYNC_BYTES), length: at + SYNC_BYTES };
}
