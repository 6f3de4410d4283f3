/** Avro's decimals: a two's complement big-endian integer, to be divided by a power of ten that the schema knows. */
import type { DecimalText } from '../../domain/events.ts';

/** More bytes than any amount needs; a BigInt of a whole message would take seconds to print. */
const LONGEST = 32;

/** Stands for every number of more than 32 bytes, which validation refuses just the same. */
const ENORMOUS: DecimalText = `1${'0'.repeat(80)}`;

/** Up to here a double holds the integer exactly. */
const EXACT_BYTES = 6;

/**
 * The exact number as text, with as many digits after the point as the writer's schema says.
 * @param scale digits after the point, 0 or more
 */
export function decimalText(bytes: Buffer, scale: number): DecimalText {
  const digits = significantBytes(bytes);
  if (digits.length > LONGEST) return ENORMOUS;
  if (digits.length <= EXACT_BYTES) {
    const units = digits.length === 0 ? 0 : digits.readIntBE(0, digits.length);
    return withPoint(units < 0, String(Math.abs(units)), scale);
  }
  const units = BigInt.asIntN(digits.length * 8, BigInt(`0x${digits.toString('hex')}`));
  return withPoint(units < 0n, String(units < 0n ? -units : units), scale);
}

/** Without the leading bytes that only repeat the sign. */
function significantBytes(bytes: Buffer): Buffer {
  const sign = (bytes[0] ?? 0) >= 0x80 ? 0xff : 0;
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === sign && (bytes[start + 1] as number) >> 7 === sign >> 7) start++;
  return start === 0 ? bytes : bytes.subarray(start);
}

function withPoint(negative: boolean, units: string, scale: number): DecimalText {
  const sign = negative ? '-' : '';
  if (scale === 0) return `${sign}${units}`;
  const padded = units.padStart(scale + 1, '0');
  const point = padded.length - scale;
  return `${sign}${padded.slice(0, point)}.${padded.slice(point)}`;
}
