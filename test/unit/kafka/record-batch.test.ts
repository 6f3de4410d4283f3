import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../adapters/kafka/crc32c.ts';
import {
  BatchTooLargeError,
  decodeRecords,
  RecordFormatError,
  readBatches,
} from '../../../adapters/kafka/record-batch.ts';
import { batchesFrom, batchFrom } from './arbitrary-batch.ts';
import { encodeBatch, record, spelledOut } from './encode-batch.ts';

const all = (recordSet: Buffer) =>
  readBatches(recordSet).flatMap((batch) => decodeRecords(batch, batch.payload, 0, Number.MAX_SAFE_INTEGER));

const concat = async (batches: Parameters<typeof encodeBatch>[0][]) =>
  Buffer.concat(await Promise.all(batches.map((batch) => encodeBatch(batch))));

describe('record batches', () => {
  it('decode to what kafkajs encoded', async () => {
    await fc.assert(
      fc.asyncProperty(batchesFrom(0, 3), async (batches) => {
        const recordSet = await concat(batches);
        expect(spelledOut(all(recordSet))).toEqual(batches.flatMap(({ records }) => records));
        expect(readBatches(recordSet).map(({ baseOffset, lastOffset }) => ({ baseOffset, lastOffset }))).toEqual(
          batches.map(({ baseOffset, lastOffset }) => ({ baseOffset, lastOffset })),
        );
      }),
    );
  });

  it('are left out when cut off, at every byte', async () => {
    const [first, second] = await Promise.all([
      encodeBatch({ baseOffset: 5, records: [record(5), record(7)] }),
      encodeBatch({ baseOffset: 8, records: [record(8)] }),
    ]);
    const recordSet = Buffer.concat([first, second]);
    for (let length = 0; length <= recordSet.length; length += 1) {
      const whole = (length >= first.length ? 1 : 0) + (length === recordSet.length ? 1 : 0);
      expect(readBatches(recordSet.subarray(0, length))).toHaveLength(whole);
    }
  });

  it('give the records of a range alone', async () => {
    await fc.assert(
      fc.asyncProperty(batchFrom(100), fc.nat({ max: 60 }), fc.nat({ max: 60 }), async (batch, from, length) => {
        const [read] = readBatches(await encodeBatch(batch));
        const range = { from: 95 + from, to: 95 + from + length };
        expect(read && spelledOut(decodeRecords(read, read.payload, range.from, range.to))).toEqual(
          batch.records.filter(({ offset }) => offset >= range.from && offset < range.to),
        );
      }),
    );
  });

  it('are refused when any byte under the checksum has changed', async () => {
    const encoded = await encodeBatch({ baseOffset: 0, records: [record(0), record(1)] });
    for (let at = 17; at < encoded.length; at += 1) {
      const damaged = Buffer.from(encoded);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
      expect(() => readBatches(damaged)).toThrow(RecordFormatError);
    }
  });

  it('before a damaged one are read', async () => {
    const recordSet = await concat([
      { baseOffset: 0, records: [record(0)] },
      { baseOffset: 1, records: [record(1)] },
    ]);
    recordSet.writeUInt8(recordSet.readUInt8(recordSet.length - 1) ^ 1, recordSet.length - 1);
    expect(spelledOut(all(recordSet))).toEqual([record(0)]);
  });

  it('whose records end too early or too late are refused, without reading beyond them', async () => {
    const [batch] = readBatches(await encodeBatch({ baseOffset: 0, records: [record(0), record(1)] }));
    if (batch === undefined) throw new Error('no batch');
    for (let length = 0; length < batch.payload.length; length += 1) {
      expect(() => decodeRecords(batch, batch.payload.subarray(0, length), 0, 10)).toThrow(RecordFormatError);
    }
    expect(() => decodeRecords({ ...batch, recordCount: 3 }, batch.payload, 0, 10)).toThrow(RecordFormatError);
  });

  it('take the broker’s time where the topic says so', async () => {
    const encoded = await encodeBatch({ baseOffset: 0, records: [record(0), record(1)], appendTimestamp: 42 });
    expect(all(encoded).map(({ timestamp }) => timestamp)).toEqual([42, 42]);
  });

  it('tell null from empty', async () => {
    const records = [
      { ...record(0), key: null, value: null },
      { ...record(1), key: Buffer.alloc(0), value: Buffer.alloc(0) },
    ];
    const read = all(await encodeBatch({ baseOffset: 0, records }));
    expect(spelledOut(read)).toEqual(records);
    for (const { key, value, size } of read) expect(size).toBe((key?.length ?? 0) + (value?.length ?? 0));
  });

  it('have views of what was sent instead of copies', async () => {
    const encoded = await encodeBatch({ baseOffset: 0, records: [record(0)] });
    expect(all(encoded)[0]?.value?.buffer).toBe(encoded.buffer);
  });

  it('beyond 2^53 are refused', async () => {
    const encoded = await encodeBatch({ baseOffset: 0, records: [record(0)] });
    encoded.writeBigInt64BE(2n ** 53n, 0);
    expect(() => readBatches(encoded)).toThrow(RangeError);
  });

  it('of the time before Kafka 0.11 are refused in words that say what to do', async () => {
    const encoded = await encodeBatch({ baseOffset: 0, records: [record(0)] });
    encoded.writeInt8(1, 16);
    expect(() => readBatches(encoded)).toThrow(/format 1.*copy them to a new topic/);
  });
});

describe('crc32c', () => {
  it('has the check value of its specification', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(0))).toBe(0);
  });
});

describe('a batch that makes much of little', () => {
  it('is refused when it says that it has millions of records', async () => {
    const encoded = await encodeBatch({ baseOffset: 0, records: [record(0)] });
    encoded.writeInt32BE(1_000_001, 57);
    encoded.writeUInt32BE(crc32c(encoded.subarray(21)), 17);
    expect(() => all(encoded)).toThrow(BatchTooLargeError);
  });

  it('is refused when its records have millions of headers, of two bytes each', async () => {
    const [batch] = readBatches(await encodeBatch({ baseOffset: 0, records: [record(0)] }));
    // Attributes, time, offset, no key, no value, 600,000 headers of an empty name and nothing: twice.
    const fields = Buffer.from([0, 0, 0, 1, 1, 0x80, 0x9f, 0x49]);
    const body = Buffer.concat([fields, Buffer.alloc(1_200_000, Buffer.from([0, 1]))]);
    const one = Buffer.concat([varint(body.length), body]);
    const decode = (count: number) =>
      decodeRecords({ ...batch!, recordCount: count }, Buffer.concat(Array<Buffer>(count).fill(one)), 0, 10);
    expect(decode(1)[0]!.headers).toHaveLength(600_000);
    expect(() => decode(2)).toThrow(BatchTooLargeError);
  });
});

/** Zigzag. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value * 2; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80);
  return Buffer.from([...bytes, Math.floor((value * 2) / 128 ** bytes.length)]);
}
