import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { LONGEST_ROW } from '../../../adapters/files/problems.ts';
import { fileOf, NDJSON, recordsOf, slicesOf, textsOf } from './folder-harness.ts';

const LINES = Array.from({ length: 500 }, (_, index) => `{"line":${index + 1},"text":"${'x'.repeat(index % 50)}"}`);
const CONTENT = `${LINES.join('\n')}\n`;

describe('lines of NDJSON', () => {
  it('are records by their line numbers, without the byte order mark and the ends of lines; empty ones are absent', async () => {
    const { reader, file } = await fileOf('a.ndjson', '\uFEFF{"a":1}\r\n\r\n  \n{"b":2}\n{"c":3}', NDJSON);
    expect(file.chunks).toEqual([{ from: 1, to: 6, byte: 0 }]);
    expect(textsOf(await recordsOf(reader, file))).toEqual([
      [1, '{"a":1}'],
      [4, '{"b":2}'],
      [5, '{"c":3}'],
    ]);
  });

  it('are read from any line to any other, whatever chunk it is in', async () => {
    const { reader, file } = await fileOf('a.jsonl', CONTENT, NDJSON, 1_000);
    expect(file.chunks.length).toBeGreaterThan(10);
    for (const [from, to] of [
      [1, 501],
      [2, 3],
      [file.chunks[3]!.from, file.chunks[3]!.to],
      [file.chunks[3]!.from - 1, file.chunks[3]!.from + 1],
      [499, 501],
    ] as const) {
      expect(textsOf(await recordsOf(reader, file, from, to))).toEqual(
        LINES.slice(from - 1, to - 1).map((line, index) => [from + index, line]),
      );
    }
  });

  it('join without a gap in slices of any size', async () => {
    const { reader, file } = await fileOf('a.ndjson', CONTENT.replaceAll('\n', '\n\n'), NDJSON, 1_000);
    const slices = await slicesOf(reader, { topic: file.topic, from: 1, to: 1_001 }, 7);
    expect(slices.every(({ records }) => records.length <= 7)).toBe(true);
    expect(slices.map(({ from }) => from)).toEqual([1, ...slices.slice(0, -1).map(({ next }) => next)]);
    expect(slices.at(-1)).toMatchObject({ next: 1_001, endOffset: 1_001 });
    expect(slices.flatMap(({ records }) => records)).toHaveLength(500);
  });

  it.each([
    ['gz', gzipSync(CONTENT)],
    ['gz', Buffer.concat([gzipSync(CONTENT.slice(0, 3_000)), gzipSync(CONTENT.slice(3_000))])],
    ['zst', zstdCompressSync(CONTENT)],
    ['zst', Buffer.concat([zstdCompressSync(CONTENT.slice(0, 3_000)), zstdCompressSync(CONTENT.slice(3_000))])],
  ])('are read out of .%s, which is one chunk', async (ending, content) => {
    const { reader, file } = await fileOf(`a.ndjson.${ending}`, content, NDJSON, 1_000);
    expect(file.chunks).toEqual([{ from: 1, to: 501, byte: 0 }]);
    expect(textsOf(await recordsOf(reader, file, 200, 210))).toEqual(
      LINES.slice(199, 209).map((line, index) => [200 + index, line]),
    );
  });

  it('that are too long are cut, and cost the memory of one, and those behind them keep their numbers', async () => {
    const long = 'y'.repeat(3 * LONGEST_ROW);
    const { reader, file } = await fileOf('a.ndjson', `{"a":1}\n${long}\n{"b":2}\n${long}`, NDJSON);
    const records = await recordsOf(reader, file);
    expect(records.map(({ offset }) => offset)).toEqual([1, 2, 3, 4]);
    expect(records[1]!.value!.length).toBeLessThan(LONGEST_ROW + 20);
    expect(records[1]!.value!.toString('latin1', 0, 8)).toBe('!long\nyy');
    expect(records[2]!.value!.toString()).toBe('{"b":2}');
  });

  it('are none in an empty file', async () => {
    const { file } = await fileOf('a.ndjson', '', NDJSON);
    expect(file.chunks).toEqual([]);
  });

  it('are told from those of a damaged archive', async () => {
    const cutOff = gzipSync(CONTENT).subarray(0, -20);
    await expect(fileOf('a.ndjson.gz', cutOff, NDJSON)).rejects.toThrow('it is damaged: it can not be uncompressed');
  });
});

describe('a record by itself', () => {
  it('is found by its line', async () => {
    const { reader, file } = await fileOf('a.ndjson', '{"a":1}\n\n{"b":2}\n', NDJSON);
    const at = { topic: file.topic, partition: 0 };
    expect((await reader.readOne({ ...at, offset: 3 }))?.value?.toString()).toBe('{"b":2}');
    expect(await reader.readOne({ ...at, offset: 2 })).toBeNull();
  });
});
