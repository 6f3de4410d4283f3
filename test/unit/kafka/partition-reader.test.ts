import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogSlice } from '../../../activities/ports.ts';
import { crc32c } from '../../../adapters/kafka/crc32c.ts';
import { PartitionReader, type Room } from '../../../adapters/kafka/partition-reader.ts';
import { RecordFormatError } from '../../../adapters/kafka/record-batch.ts';
import { batchesFrom } from './arbitrary-batch.ts';
import { encodeBatch, encodeMarker, record, spelledOut } from './encode-batch.ts';

const fetched = (recordSet: Buffer, lastStableOffset = 1_000) => ({
  topic: 't',
  partition: 0,
  errorCode: 0,
  lastStableOffset,
  abortedTransactions: [],
  recordSet,
});

const upTo = (records: number): Room => ({ records, bytes: Number.POSITIVE_INFINITY });

const readerOf = (from: number, to: number | null = null) =>
  new PartitionReader({ topic: 't', partition: 0, from, to });

async function takeAll(reader: PartitionReader, sizes: readonly number[]): Promise<LogSlice[]> {
  const slices: LogSlice[] = [];
  for (let turn = 0; ; turn += 1) {
    const slice = await reader.take(upTo(sizes[turn % sizes.length] ?? 1));
    if (slice === null) return slices;
    slices.push(slice);
  }
}

describe('a partition being read', () => {
  it('hands out every record once, in slices that join, whatever the sizes, ends and cuts', async () => {
    await fc.assert(
      fc.asyncProperty(
        batchesFrom(10, 4),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 40 }),
        fc.option(fc.integer({ min: 0, max: 60 })),
        fc.nat({ max: 3 }),
        async (batches, sizes, from, length, cut) => {
          const to = length === null ? null : from + length;
          const reader = readerOf(from, to);
          const encoded = await Promise.all(batches.map((batch) => encodeBatch(batch)));
          for (const part of [encoded.slice(0, cut), encoded.slice(cut)])
            reader.accept(fetched(Buffer.concat(part)), 0);
          const slices = await takeAll(reader, sizes);

          const end = Math.max(from, Math.min(to ?? Number.POSITIVE_INFINITY, (batches.at(-1)?.lastOffset ?? 0) + 1));
          const expected = batches
            .flatMap(({ records }) => records)
            .filter(({ offset }) => offset >= from && offset < end);
          expect(spelledOut(slices.flatMap(({ records }) => records))).toEqual(expected);
          expect(slices.map((slice) => slice.from)).toEqual([from, ...slices.map(({ next }) => next)].slice(0, -1));
          expect(slices.at(-1)?.next ?? from).toBe(end);
          for (const slice of slices) {
            expect(slice.records.every(({ offset }) => offset >= slice.from && offset < slice.next)).toBe(true);
          }
          expect(reader.bufferedBytes).toBe(0);
          expect(reader.bufferedRecords).toBe(0);
          expect(reader.finished).toBe(to !== null && end >= to);
        },
      ),
    );
  });

  it('ends with the record that reaches the bytes, and takes nothing then', async () => {
    const large = (offset: number) => ({ ...record(offset), key: Buffer.alloc(40), value: Buffer.alloc(60) });
    const reader = readerOf(0);
    reader.accept(fetched(await encodeBatch({ baseOffset: 0, records: [0, 1, 2, 3].map(large) })), 0);
    const room: Room = { records: 10, bytes: 150 };
    expect(await reader.take(room)).toMatchObject({ from: 0, next: 2, records: [large(0), large(1)] });
    expect(await reader.take(room)).toBeNull();
    expect(await reader.take(upTo(10))).toMatchObject({ from: 2, next: 4 });
  });

  it('moves over offsets without records, even when there is no room for any', async () => {
    const reader = readerOf(0);
    reader.accept(fetched(await encodeMarker(4, 1, 1), 5), 0);
    expect(await reader.take(upTo(0))).toEqual({
      topic: 't',
      partition: 0,
      from: 0,
      next: 5,
      records: [],
      endOffset: 5,
    });
  });

  it('ends where its range does, also when the offsets before it are absent', async () => {
    const reader = readerOf(3, 8);
    reader.accept(fetched(await encodeBatch({ baseOffset: 12, records: [record(12)] })), 0);
    expect(reader.fetchedAll).toBe(true);
    expect(await reader.take(upTo(10))).toMatchObject({ from: 3, next: 8, records: [] });
    expect(reader.finished).toBe(true);
  });

  it('tells a batch that was cut off from nothing', async () => {
    const encoded = await encodeBatch({ baseOffset: 0, records: [record(0)] });
    expect(readerOf(0).accept(fetched(encoded.subarray(0, 40)), 0)).toBe('cut off');
    expect(readerOf(0).accept(fetched(Buffer.alloc(0)), 0)).toBe('nothing');
    expect(readerOf(0).accept(fetched(encoded), 0)).toBe('progress');
  });

  it('hands out what comes before a batch that can not be decompressed, and tells of the trouble until it can', async () => {
    const good = await encodeBatch({ baseOffset: 0, records: [record(0)] });
    const gzip = await encodeBatch({ baseOffset: 1, records: [record(1)], compression: 1 });
    const notGzip = await encodeBatch({ baseOffset: 1, records: [], lastOffset: 1, compression: 1 });
    notGzip.writeInt32BE(1, 57); // says that there is a record
    notGzip.writeUInt32BE(crc32c(notGzip.subarray(21)), 17);

    const reader = readerOf(0);
    reader.accept(fetched(Buffer.concat([good, notGzip])), 0);
    expect(await reader.take(upTo(10))).toMatchObject({ from: 0, next: 1 });
    await expect(reader.take(upTo(10))).rejects.toThrow(RecordFormatError);
    reader.discard('damaged', 0);
    reader.accept(fetched(notGzip), 0);
    expect(reader.trouble).toBe('damaged');
    reader.discard('damaged', 0);
    reader.accept(fetched(gzip), 0);
    expect(await reader.take(upTo(10))).toMatchObject({ from: 1, next: 2, records: [record(1)] });
    expect(reader.trouble).toBeNull();
  });
});
