import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decimalText } from '../../../adapters/registry/decimal.ts';
import { amountBytes } from '../../../scripts/lib/event-encoder.ts';

const hundredths = fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n });

it('amounts come back from their bytes as they went in, to the last digit', () => {
  fc.assert(
    fc.property(hundredths, (units) => {
      const digits = String(units < 0n ? -units : units).padStart(3, '0');
      const amount = `${units < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
      expect(decimalText(amountBytes(amount), 2)).toBe(amount);
    }),
  );
});

it.each([
  ['0.00', '00'],
  ['1.27', '7f'],
  ['1.28', '0080'],
  ['-1.28', '80'],
  ['-1.29', 'ff7f'],
])('%s takes as few bytes as Java would write: %s', (amount, bytes) => {
  expect(amountBytes(amount).toString('hex')).toBe(bytes);
});
