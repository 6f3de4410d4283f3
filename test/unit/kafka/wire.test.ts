import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WireReader, WireWriter } from '../../../adapters/kafka/protocol/wire.ts';

const string = fc.string({ unit: 'grapheme', maxLength: 400 });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const int64 = fc.maxSafeInteger();

describe('the wire', () => {
  it('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(string, int32, int64, fc.nat(), fc.boolean()), { maxLength: 30 }), (rows) => {
        const writer = new WireWriter();
        writer.compactArray(rows, ([text, small, large, natural, flag]) => {
          writer
            .compactString(text)
            .string(text)
            .int32(small)
            .int64(large)
            .unsignedVarint(natural)
            .boolean(flag)
            .noTags();
        });
        const reader = new WireReader(writer.bytes());
        const read = reader.compactArray(() => {
          const text = reader.compactString();
          const row = [reader.string(), reader.int32(), reader.int64(), reader.unsignedVarint(), reader.boolean()];
          reader.skipTags();
          return [text, ...row];
        });
        expect(read).toEqual(rows.map(([text, ...row]) => [text, text, ...row]));
      }),
    );
  });

  it('says so when an answer is truncated, at every byte', () => {
    const writer = new WireWriter().int32(1).compactString('crm.leads').int64(7);
    const bytes = writer.bytes();
    for (let length = 0; length < bytes.length; length += 1) {
      const reader = new WireReader(bytes.subarray(0, length));
      expect(() => [reader.int32(), reader.compactString(), reader.int64()]).toThrow(RangeError);
    }
  });

  it('passes over tagged fields that it does not know', () => {
    const reader = new WireReader(Buffer.from([2, 0, 3, 9, 9, 9, 5, 1, 9, 0, 0, 0, 42]));
    reader.skipTags();
    expect(reader.int32()).toBe(42);
  });
});
