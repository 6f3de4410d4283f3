import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cursor } from '../../../adapters/registry/cursor.ts';
import { KnownTexts, LONGEST_KNOWN } from '../../../adapters/registry/known-texts.ts';

/** Of few letters, so that many are the same, and of many, so that slots are fought for. */
const short = fc.oneof(
  fc.array(fc.constantFrom(0, 1, 31, 32, 0x61), { maxLength: LONGEST_KNOWN }),
  fc.array(fc.nat(255), { maxLength: LONGEST_KNOWN }),
);

describe('short texts that were read before', () => {
  it('are found again, and never another in their place', () => {
    const known = new KnownTexts();
    fc.assert(
      fc.property(fc.array(short, { maxLength: 200 }), (texts) => {
        for (const text of texts) {
          const bytes = Buffer.from([0xff, ...text, 0xff]);
          const right = bytes.toString('latin1', 1, bytes.length - 1);
          expect([right, undefined]).toContain(known.find(bytes, 1, bytes.length - 1));
          known.keep(right, bytes, 1, bytes.length - 1);
          expect(known.find(bytes, 1, bytes.length - 1)).toBe(right);
        }
      }),
    );
  });

  it('are in a message what their bytes are, and what is not UTF-8 is noted each time', () => {
    const cursor = new Cursor();
    const text = fc.oneof(
      short.map((bytes) => Buffer.from(bytes)),
      fc.string({ unit: 'binary', maxLength: 8 }).map((characters) => Buffer.from(characters)),
      fc.constantFrom('', '\u0000', '\ufffd', '🦊', 'lead.created').map((characters) => Buffer.from(characters)),
    );
    fc.assert(
      fc.property(fc.array(text, { maxLength: 50 }), (texts) => {
        for (const bytes of [...texts, ...texts]) {
          cursor.open(Buffer.concat([Buffer.from([0, bytes.length * 2]), bytes]), 1);
          expect(cursor.readText('field')).toBe(bytes.toString());
          expect(cursor.complete).toBe(true);
          expect(cursor.invalidText).toBe(isUtf8(bytes) ? null : 'field');
        }
      }),
    );
  });
});
