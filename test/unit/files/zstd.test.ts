import { Readable } from 'node:stream';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { unzstd } from '../../../adapters/files/zstd.ts';

async function uncompressed(buffers: readonly Buffer[]): Promise<string> {
  const all: Buffer[] = [];
  for await (const buffer of unzstd(Readable.from(buffers), 1_024)) all.push(buffer as Buffer);
  return Buffer.concat(all).toString();
}

function cutInto(content: Buffer, size: number): Buffer[] {
  const count = Math.ceil(content.length / size);
  return Array.from({ length: count }, (_, index) => content.subarray(index * size, (index + 1) * size));
}

it('loses nothing of any number of frames, wherever the buffers end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 5_000 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 400 }),
      async (texts, size) => {
        const content = Buffer.concat(texts.map((text) => zstdCompressSync(text)));
        expect(await uncompressed(cutInto(content, size))).toBe(texts.join(''));
      },
    ),
    { numRuns: 100 },
  );
});

it.each([
  ['cut off', (content: Buffer) => content.subarray(0, -3)],
  ['followed by something else', (content: Buffer) => Buffer.concat([content, Buffer.from('something else')])],
])('fails when a frame is %s', async (_, spoil) => {
  const content = Buffer.concat([zstdCompressSync('one'), spoil(zstdCompressSync('two'))]);
  await expect(uncompressed([content])).rejects.toThrow();
});
