import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonBytes } from '../../../domain/json-bytes.ts';

/** Any sequence of UTF-16 units, those that JSON writes in another way more often than by chance. */
const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom('"', '\\', '/', '\n', '\u0000', '\u001f', '\u007f', '\u0080', '\u07ff', '\u0800', '\u2028'),
      fc.constantFrom('\ud7ff', '\ue000', '\ufffd', '\uffff', '\ud83e', '\udd8a', '🦊', '明', 'é', ''),
      fc.string({ unit: 'binary' }),
    ),
  )
  .map((parts) => parts.join(''));

const anyNumber = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(0, -0, 9, 10, 99_999_999, 100_000_000, 100_000_001, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e21),
);

function expectSame(values: ReadonlyArray<string | number | null>): void {
  expect(Buffer.from(jsonBytes(values)).toString()).toBe(JSON.stringify(values));
}

describe('JSON as bytes', () => {
  it('is that of the engine', () => {
    const values = fc.array(fc.oneof(anyText, anyNumber, fc.constant(null)), { maxLength: 20 });
    fc.assert(fc.property(values, expectSame), { numRuns: 2_000 });
  });

  it('every character by itself', () => {
    for (let unit = 0; unit <= 0xffff; unit += 1) {
      const character = String.fromCharCode(unit);
      expect(Buffer.from(jsonBytes([character])).equals(Buffer.from(JSON.stringify([character])))).toBe(true);
    }
  });

  it.each(['x', '明', '"', '\n', '🦊'])('around the space it has, of %j', (character) => {
    for (const size of [65_536, 65_536 / 2, 65_536 / 3, 65_536 / 6, 200_000]) {
      for (const more of [-4, -3, -2, -1, 0, 1]) {
        expectSame([character.repeat(Math.floor(size) + more)]);
        expectSame([1, character.repeat(Math.floor(size) + more), null, 'after', -1]);
      }
    }
  });

  it('is sound again after what had no room', () => {
    jsonBytes(['x'.repeat(100_000)]);
    expectSame(['x', 1, null]);
  });
});
