import { randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import snappy from 'snappy';
import { describe, expect, it } from 'vitest';
import { decompress } from '../../../adapters/kafka/codecs.ts';
import { BatchTooLargeError, RecordFormatError } from '../../../adapters/kafka/record-batch.ts';

const [GZIP, SNAPPY, LZ4, ZSTD] = [1, 2, 3, 4];
const text = Buffer.concat([Buffer.from('lead '.repeat(30_000)), randomBytes(1_000)]);

/** As Java's SnappyOutputStream writes: magic, version, lowest compatible version, blocks with their lengths. */
function xerial(blocks: Buffer[]): Buffer {
  const header = Buffer.from([0x82, ...Buffer.from('SNAPPY'), 0, 0, 0, 0, 1, 0, 0, 0, 1]);
  const framed = blocks.map((block) => {
    const compressed = snappy.compressSync(block);
    const length = Buffer.alloc(4);
    length.writeInt32BE(compressed.length);
    return Buffer.concat([length, compressed]);
  });
  return Buffer.concat([header, ...framed]);
}

const repeated = (piece: Buffer, times: number) => Buffer.concat(Array<Buffer>(times).fill(piece));

function xerialOf(compressed: Buffer, times: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(compressed.length);
  return Buffer.concat([xerial([]), repeated(Buffer.concat([length, compressed]), times)]);
}

/** A frame of so many blocks, each of which is the content. */
function lz4Of(content: Buffer, times: number): Buffer {
  const frame = compressFrameSync(content);
  frame.writeUInt8(0x70, 5); // blocks of up to 4 MiB
  return Buffer.concat([frame.subarray(0, 7), repeated(frame.subarray(7, -4), times), Buffer.alloc(4)]);
}

const COMPRESSED: Array<[string, number, Buffer]> = [
  ['gzip', GZIP, gzipSync(text)],
  ['snappy', SNAPPY, snappy.compressSync(text)],
  ['snappy in the frame of Java producers', SNAPPY, xerial([text.subarray(0, 32_768), text.subarray(32_768)])],
  ['snappy in an empty frame', SNAPPY, xerial([])],
  ['lz4', LZ4, compressFrameSync(text)],
  ['lz4 with checksums', LZ4, compressFrameSync(text, { blockChecksums: true, contentChecksum: true })],
  ['zstd', ZSTD, zstdCompressSync(text)],
];

describe('codecs', () => {
  it.each(COMPRESSED)('decompress %s', async (name, codec, bytes) => {
    expect(await decompress(codec, bytes)).toEqual(name.includes('empty') ? Buffer.alloc(0) : text);
  });

  it.each(COMPRESSED)('refuse %s that is cut off', async (name, codec, bytes) => {
    const cut = name.includes('empty') ? bytes.subarray(0, 5) : bytes.subarray(0, bytes.length >> 1);
    await expect(decompress(codec, cut)).rejects.toThrow(RecordFormatError);
  });

  it('refuse snappy that says it gets huge, without trying', async () => {
    const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07, 0]);
    await expect(decompress(SNAPPY, claim)).rejects.toThrow(/decompresses to more than/);
  });

  it('refuse an lz4 frame of too many blocks, without trying', async () => {
    const header = compressFrameSync(Buffer.from('x')).subarray(0, 7);
    header.writeUInt8(0x70, 5); // blocks of 4 MiB
    const block = Buffer.from([1, 0, 0, 0, 0]);
    const frame = Buffer.concat([header, ...Array<Buffer>(65).fill(block), Buffer.alloc(4)]);
    await expect(decompress(LZ4, frame)).rejects.toThrow(/decompresses to more than/);
  });

  it('refuse an older kind of lz4 frame, whose blocks may have any size', async () => {
    const frame = compressFrameSync(Buffer.from('x'));
    frame.writeUInt32LE(0x184c2102, 0);
    await expect(decompress(LZ4, frame)).rejects.toThrow('it is no lz4 frame');
  });

  // 1 GiB of zeros each, made of pieces that may follow one another in the format.
  it.each([
    ['gzip', GZIP, () => repeated(gzipSync(Buffer.alloc(64 * 2 ** 20)), 16)],
    ['zstd', ZSTD, () => repeated(zstdCompressSync(Buffer.alloc(64 * 2 ** 20)), 16)],
    ['snappy', SNAPPY, () => xerialOf(snappy.compressSync(Buffer.alloc(2 ** 20)), 1_024)],
    ['lz4', LZ4, () => lz4Of(Buffer.alloc(4 * 2 ** 20), 256)],
  ])('refuse %s that gets huge, and never hold it', async (_name, codec, bomb) => {
    const bytes = bomb();
    const before = process.resourceUsage().maxRSS;
    await expect(decompress(codec, bytes)).rejects.toThrow(BatchTooLargeError);
    // In KiB: a fraction of what it says it has.
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(400 * 1_024);
  });

  it('refuse a codec that does not exist', async () => {
    await expect(decompress(6, text)).rejects.toThrow(/unknown codec 6/);
  });
});
