/** Amounts are exact decimal text from the message to the column; nothing here makes a float of them. */
import { AMOUNT } from './column-limits.ts';
import type { DecimalText } from './events.ts';
import { unitAt } from './text.ts';

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const NINE = 57;

/**
 * The amount as the column takes it: two digits after the point, no leading zeros, no negative zero.
 * @param text an optional minus, digits, and optionally a point with more digits
 * @returns null when it does not fit DECIMAL(15,2) exactly: too many digits before the point, a third decimal place
 *   other than zero (PostgreSQL would round it without a word), or no number at all
 */
export function toColumnAmount(text: DecimalText): DecimalText | null {
  const start = unitAt(text, 0) === MINUS ? 1 : 0;
  let firstDigit = start;
  while (unitAt(text, firstDigit) === ZERO) firstDigit++;
  const point = digitsEnd(text, firstDigit);
  if (point === start || point - firstDigit > AMOUNT.digitsBeforePoint) return null;
  let end = point;
  if (unitAt(text, point) === POINT) {
    end = digitsEnd(text, point + 1);
    if (end === point + 1) return null;
  }
  if (end !== text.length) return null;
  let lastDigit = end;
  while (lastDigit > point + 1 + AMOUNT.digitsAfterPoint) {
    if (unitAt(text, --lastDigit) !== ZERO) return null;
  }
  const whole = point === firstDigit ? '0' : text.slice(firstDigit, point);
  const decimals = text.slice(point + 1, lastDigit).padEnd(AMOUNT.digitsAfterPoint, '0');
  const zero = whole === '0' && decimals === '00';
  return start === 1 && !zero ? `-${whole}.${decimals}` : `${whole}.${decimals}`;
}

/** Index after the run of decimal digits that begins at `from`. */
function digitsEnd(text: string, from: number): number {
  let end = from;
  for (let code = unitAt(text, end); code >= ZERO && code <= NINE; code = unitAt(text, end)) end++;
  return end;
}
