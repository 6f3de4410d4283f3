import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codePoints, isLongerThan, isStorable } from '../../../domain/text.ts';

/** Any sequence of UTF-16 units, lone surrogates among them more often than by chance. */
const anyText = fc
  .array(fc.oneof(fc.constantFrom('\ud83e', '\udd8a', '🦊', '\u0000', 'é', 'x'), fc.string({ unit: 'binary' })))
  .map((parts) => parts.join(''));

describe('text', () => {
  it('has as many characters as iterating over it gives', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(codePoints(text)).toBe([...text].length);
      }),
    );
  });

  it('is longer than a limit when its characters are', () => {
    fc.assert(
      fc.property(anyText, fc.nat(20), (text, limit) => {
        expect(isLongerThan(text, limit)).toBe([...text].length > limit);
      }),
    );
  });

  it('is storable when it survives UTF-8 and has no NUL', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const survives = Buffer.from(text, 'utf8').toString('utf8') === text;
        expect(isStorable(text)).toBe(survives && !text.includes('\u0000'));
      }),
    );
  });
});
