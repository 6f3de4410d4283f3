import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toColumnAmount } from '../../../domain/amount.ts';

it.each([
  ['0', '0.00'],
  ['-0', '0.00'],
  ['-0.00', '0.00'],
  ['.5', null],
  ['0.5', '0.50'],
  ['-0.5', '-0.50'],
  ['007.10', '7.10'],
  ['1.2300', '1.23'],
  ['1.2301', null],
  ['-1.005', null],
  ['9999999999999.99', '9999999999999.99'],
  ['0009999999999999.99', '9999999999999.99'],
  ['10000000000000', null],
  ['', null],
  ['-', null],
  ['.', null],
  ['5.', null],
  ['1.2.3', null],
  ['1e3', null],
  ['+1', null],
  [' 1', null],
  ['1 ', null],
  ['--1', null],
  ['١', null],
])('%j becomes %j', (text, expected) => {
  expect(toColumnAmount(text)).toBe(expected);
});

it('keeps the value of everything that DECIMAL(15,2) holds, whatever the notation', () => {
  const hundredths = fc.bigInt({ min: -(10n ** 15n) + 1n, max: 10n ** 15n - 1n });
  fc.assert(
    fc.property(hundredths, fc.nat(5), fc.nat(5), (units, leading, trailing) => {
      const digits = String(units < 0n ? -units : units).padStart(3, '0');
      const [sign, whole, decimals] = [units < 0n ? '-' : '', digits.slice(0, -2), digits.slice(-2)];
      const noted = `${sign}${'0'.repeat(leading)}${whole}.${decimals}${'0'.repeat(trailing)}`;
      expect(toColumnAmount(noted)).toBe(`${sign}${whole}.${decimals}`);
    }),
  );
});
