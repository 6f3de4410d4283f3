/**
 * JSON as UTF-8 bytes, the very same that `JSON.stringify` and an encoder give. One text with a single character beyond
 * Latin-1 makes the engine take two bytes for every character of the whole, and encode them one by one: to write the
 * bytes at once costs less.
 */

/** More than the columns of any row take; what is longer is made in the usual way. */
const CAPACITY = 65_536;
const bytes = Buffer.alloc(CAPACITY);
const TOO_LONG = CAPACITY + 1;

const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const ZERO = 0x30;
const FIRST_PRINTABLE = 0x20;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;
const MOST_BYTES_PER_UNIT = 3;

/** Digits that are written together, and the numbers that have no more: 32-bit operators can divide those. */
const GROUP_DIGITS = 8;
const GROUP = 100_000_000;

/** @returns a view of bytes that the next call overwrites */
export function jsonBytes(values: ReadonlyArray<string | number | null>): Uint8Array {
  let at = 0;
  bytes[at++] = OPENING_BRACKET;
  for (const value of values) {
    if (typeof value === 'string') at = writeText(at, value);
    else if (value !== null && value >= 0 && Number.isSafeInteger(value)) at = writeWhole(at, value);
    else at = writeJson(at, JSON.stringify(value));
    bytes[at++] = COMMA;
  }
  bytes[values.length === 0 ? at++ : at - 1] = CLOSING_BRACKET;
  // What is written past the end of a typed array is dropped without a word.
  return at > CAPACITY ? Buffer.from(JSON.stringify(values)) : new Uint8Array(bytes.buffer, bytes.byteOffset, at);
}

function writeText(from: number, text: string): number {
  let at = from;
  bytes[at++] = QUOTE;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) {
      if (unit < FIRST_PRINTABLE || unit === QUOTE || unit === BACKSLASH) return writeJson(from, JSON.stringify(text));
      bytes[at++] = unit;
    } else if (unit < 0x800) {
      bytes[at++] = 0xc0 | (unit >> 6);
      bytes[at++] = 0x80 | (unit & 0x3f);
    } else {
      if (unit >= FIRST_SURROGATE && unit <= LAST_SURROGATE) return writeJson(from, JSON.stringify(text));
      bytes[at++] = 0xe0 | (unit >> 12);
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[at++] = 0x80 | (unit & 0x3f);
    }
  }
  bytes[at++] = QUOTE;
  return at;
}

/** @param value a safe integer, not negative */
function writeWhole(at: number, value: number): number {
  if (value < GROUP) return writeDigits(at, value, digitsOf(value));
  const high = Math.floor(value / GROUP);
  return writeDigits(writeDigits(at, high, digitsOf(high)), value - high * GROUP, GROUP_DIGITS);
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

/** With zeros before a number of fewer digits. */
function writeDigits(at: number, value: number, digits: number): number {
  let rest = value;
  for (let place = at + digits - 1; place >= at; place--) {
    const tens = (rest / 10) | 0;
    bytes[place] = ZERO + rest - tens * 10;
    rest = tens;
  }
  return at + digits;
}

/** @param json well-formed, as JSON always is */
function writeJson(at: number, json: string): number {
  return at + json.length * MOST_BYTES_PER_UNIT > CAPACITY ? TOO_LONG : at + bytes.write(json, at, 'utf8');
}
