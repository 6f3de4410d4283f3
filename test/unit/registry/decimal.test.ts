import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decimalText } from '../../../adapters/registry/decimal.ts';
import { toColumnAmount } from '../../../domain/amount.ts';

/** The definition in the Avro specification, in the slowest way. */
function expected(bytes: Buffer, scale: number): string {
  let units = 0n;
  for (const byte of bytes) units = units * 256n + BigInt(byte);
  units = BigInt.asIntN(bytes.length * 8, units);
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return units < 0n ? `-${text}` : text;
}

it('reads every integer of up to 32 bytes exactly, at every scale', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 32 }), fc.nat(10), (bytes, scale) => {
      expect(decimalText(Buffer.from(bytes), scale)).toBe(expected(Buffer.from(bytes), scale));
    }),
    { numRuns: 2_000 },
  );
});

it('leading bytes that only repeat the sign make no difference', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(100), (bytes, times) => {
      const sign = (bytes[0] ?? 0) >= 0x80 ? 0xff : 0;
      const longer = Buffer.concat([Buffer.alloc(times, sign), bytes]);
      expect(decimalText(longer, 2)).toBe(decimalText(Buffer.from(bytes), 2));
    }),
  );
});

it('no bytes are zero', () => {
  expect(decimalText(Buffer.alloc(0), 2)).toBe('0.00');
});

it('a number of megabytes is not computed, only found too large for the column', () => {
  const text = decimalText(Buffer.alloc(5_000_000, 0x7f), 2);
  expect(text.length).toBeLessThan(100);
  expect(toColumnAmount(text)).toBeNull();
});
