/** Compression of record batches, for our reader and for kafkajs's producer. */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import kafkajs from 'kafkajs';
import { compressFrame, decompressFrame } from 'lz4-napi';
import snappy from 'snappy';
import { BatchTooLargeError, RecordFormatError } from './record-batch.ts';

const gunzip = promisify(zlib.gunzip);
const zstdCompress = promisify(zlib.zstdCompress);
const zstdDecompress = promisify(zlib.zstdDecompress);

/**
 * Largest batch after decompression, in bytes: far above any real one, low enough to survive some malicious ones at a
 * time. docs/SUPPLY-CHAIN.md names it.
 */
const MAX_DECOMPRESSED_BYTES = 64 * 2 ** 20;

interface Codec {
  name: string;
  /** Refuses what would grow beyond `MAX_DECOMPRESSED_BYTES`. */
  decompress(bytes: Buffer): Promise<Buffer>;
}

const tooLarge = () => new BatchTooLargeError(`it decompresses to more than ${MAX_DECOMPRESSED_BYTES} bytes`);

const refuseAbove = (bytes: number) => {
  if (bytes > MAX_DECOMPRESSED_BYTES) throw tooLarge();
};

const CODECS: Readonly<Record<number, Codec>> = {
  1: { name: 'gzip', decompress: (bytes) => gunzip(bytes, { maxOutputLength: MAX_DECOMPRESSED_BYTES }) },
  2: { name: 'snappy', decompress: decompressSnappy },
  3: { name: 'lz4', decompress: decompressLz4 },
  4: { name: 'zstd', decompress: (bytes) => zstdDecompress(bytes, { maxOutputLength: MAX_DECOMPRESSED_BYTES }) },
};

/**
 * The records of a batch, decompressed.
 * @throws BatchTooLargeError for an absurd size, RecordFormatError for an unknown codec and damaged bytes
 */
export async function decompress(codec: number, payload: Buffer): Promise<Buffer> {
  const found = CODECS[codec];
  if (found === undefined) throw new RecordFormatError(`a record batch is compressed with the unknown codec ${codec}`);
  try {
    return await found.decompress(payload);
  } catch (error) {
    if (error instanceof BatchTooLargeError) throw error;
    // What Node says when `maxOutputLength` is reached.
    if (error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    const reason = error instanceof Error ? error.message : 'unknown error';
    throw new RecordFormatError(`a record batch can not be decompressed with ${found.name}: ${reason}`);
  }
}

/** "\x82SNAPPY\0": Java's producers write snappy blocks into a frame of their own, librdkafka and Go don't. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_HEADER_BYTES = 16;

async function decompressSnappy(bytes: Buffer): Promise<Buffer> {
  const blocks = bytes.indexOf(XERIAL_MAGIC) === 0 ? xerialBlocks(bytes) : [bytes];
  refuseAbove(blocks.reduce((sum, block) => sum + snappyLength(block), 0));
  const outputs = await Promise.all(blocks.map((block) => snappy.uncompress(block, { asBuffer: true })));
  const [first] = outputs;
  // With `asBuffer` it is never a string.
  return outputs.length === 1 && Buffer.isBuffer(first) ? first : Buffer.concat(outputs.filter(Buffer.isBuffer));
}

function xerialBlocks(bytes: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length; ) {
    const start = at + 4;
    const end = start + bytes.readInt32BE(at);
    if (end < start || end > bytes.length) throw new RangeError('a block is cut off');
    blocks.push(bytes.subarray(start, end));
    at = end;
  }
  return blocks;
}

/** A snappy block begins with its decompressed length, as a variable-length number. */
function snappyLength(block: Buffer): number {
  let length = 0;
  for (let index = 0; index < 5; index += 1) {
    const byte = block.readUInt8(index);
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return length;
  }
  throw new RangeError('the length is damaged');
}

async function decompressLz4(bytes: Buffer): Promise<Buffer> {
  refuseAbove(lz4LengthLimit(bytes));
  return decompressFrame(bytes);
}

const LZ4_MAGIC = 0x184d2204;

/**
 * At most how long an lz4 frame gets: its number of blocks times their maximum. The frame's own content size is
 * optional, and nobody keeps a liar from writing it.
 */
function lz4LengthLimit(frame: Buffer): number {
  // There are older kinds of frames, whose blocks may be larger than these bytes would say.
  if (frame.readUInt32LE(0) !== LZ4_MAGIC) throw new RangeError('it is no lz4 frame');
  const flags = frame.readUInt8(4);
  const blockMaximum = 2 ** (8 + 2 * ((frame.readUInt8(5) >> 4) & 0x07)); // 4 is 64 KiB, 7 is 4 MiB
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4;
  let blocks = 0;
  for (let at = 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4); ; blocks += 1) {
    const size = frame.readUInt32LE(at) & 0x7fffffff; // the highest bit says "stored as it is"
    if (size === 0) return blocks * blockMaximum;
    at += 4 + size + blockChecksumBytes;
  }
}

/** kafkajs asks for a compressor of its encoder's buffer and for a decompressor. */
const forKafkajs = (compress: (bytes: Buffer) => Promise<Buffer>, codec: number) => () => ({
  compress: ({ buffer }: { buffer: Buffer }) => compress(buffer),
  decompress: (bytes: Buffer) => decompress(codec, bytes),
});

/** Teaches kafkajs's producer and consumer the codecs that it lacks. */
export function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  CompressionCodecs[CompressionTypes.Snappy] = forKafkajs((bytes) => snappy.compress(bytes), 2);
  CompressionCodecs[CompressionTypes.LZ4] = forKafkajs((bytes) => compressFrame(bytes), 3);
  CompressionCodecs[CompressionTypes.ZSTD] = forKafkajs((bytes) => zstdCompress(bytes), 4);
}
