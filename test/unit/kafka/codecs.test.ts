import { randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import snappy from 'snappy';
import { describe, expect, it } from 'vitest';
import { decompress } from '../../../adapters/kafka/codecs.ts';
import { RecordFormatError } from '../../../adapters/kafka/record-batch.ts';

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

  it.each([
    ['gzip', GZIP, () => gzipSync(Buffer.alloc(257 * 2 ** 20), { level: 1 })],
    ['zstd', ZSTD, () => zstdCompressSync(Buffer.alloc(257 * 2 ** 20))],
  ])('refuse %s that gets huge', async (_name, codec, bomb) => {
    await expect(decompress(codec, bomb())).rejects.toThrow(RecordFormatError);
  });

  it('refuse a codec that does not exist', async () => {
    await expect(decompress(6, text)).rejects.toThrow(/unknown codec 6/);
  });
});
