/**
 * PostgreSQL's binary form of arrays, in which thousands of values travel as one parameter: three words of header, the
 * length and lower bound of the one dimension, then each value with its length before it (src/backend/utils/adt/
 * arrayfuncs.c, array_recv). Neither side has to quote, search for what needs quoting, or parse.
 */
import { randomFillSync } from 'node:crypto';

/** Of pg_type; they are the same in every server. */
const OID = { int8: 20, int4: 23, text: 25, date: 1082, timestamptz: 1184, uuid: 2950, jsonb: 3802 } as const;

const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;
const JSONB_VERSION = 1;
const TWO_TO_32 = 2 ** 32;
/** PostgreSQL counts from 2000-01-01. */
const EPOCH_MS = Date.UTC(2000, 0, 1);
const EPOCH_DAYS = EPOCH_MS / 86_400_000;
/** Below this many characters a loop beats a call into the engine's own encoder. */
const SHORT_TEXT = 20;
const MOST_BYTES_PER_CHARACTER = 3;
/** What a column of ordinary size needs; more is given back after use. */
const SCRATCH_BYTES = 1_048_576;

let scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
let length = 0;

function begin(oid: number, values: number): void {
  length = 0;
  word(values === 0 ? 0 : 1);
  word(0); // a hint that there are nulls, which PostgreSQL finds out by itself
  word(oid);
  if (values > 0) {
    word(values);
    word(1);
  }
}

/** A copy, since the scratch space serves the next column. */
function end(): Buffer {
  const array = Buffer.from(scratch.subarray(0, length));
  if (scratch.length > SCRATCH_BYTES) {
    scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  }
  return array;
}

function reserve(bytes: number): void {
  if (length + bytes > scratch.length) {
    const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, length + bytes));
    scratch.copy(larger, 0, 0, length);
    scratch = larger;
  }
}

function word(value: number): void {
  scratch[length] = value >>> 24;
  scratch[length + 1] = value >>> 16;
  scratch[length + 2] = value >>> 8;
  scratch[length + 3] = value;
  length += 4;
}

/** A whole number as two words. */
function twoWords(value: number): void {
  word(Math.floor(value / TWO_TO_32));
  word(value);
}

/**
 * @param text well-formed: half a surrogate pair would arrive as U+FFFD
 * @param version of the form, a byte before the text; null for types that have none
 */
function text(text: string, version: number | null): void {
  const at = length;
  length += LENGTH_BYTES;
  if (version !== null) {
    scratch[length] = version;
    length += 1;
  }
  if (text.length > SHORT_TEXT || !shortAscii(text)) {
    length += scratch.write(text, length, 'utf8');
  }
  const next = length;
  length = at;
  word(next - at - LENGTH_BYTES);
  length = next;
}

/** Writes a text unless one of its characters takes more than a byte. */
function shortAscii(text: string): boolean {
  let at = length;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) {
      return false;
    }
    scratch[at] = code;
    at += 1;
  }
  length = at;
  return true;
}

function texts(oid: number, version: number | null, values: ReadonlyArray<string | null>): Buffer {
  begin(oid, values.length);
  for (const value of values) {
    if (value === null) {
      reserve(LENGTH_BYTES);
      word(NULL_LENGTH);
    } else {
      reserve(LENGTH_BYTES + 1 + value.length * MOST_BYTES_PER_CHARACTER);
      text(value, version);
    }
  }
  return end();
}

export const textArray = (values: ReadonlyArray<string | null>): Buffer => texts(OID.text, null, values);

/** @param values texts of JSON */
export const jsonbArray = (values: ReadonlyArray<string | null>): Buffer => texts(OID.jsonb, JSONB_VERSION, values);

function fixedArray<Value>(
  oid: number,
  bytes: number,
  values: ReadonlyArray<Value | null>,
  write: (value: Value) => void,
): Buffer {
  begin(oid, values.length);
  reserve(values.length * (LENGTH_BYTES + bytes));
  for (const value of values) {
    if (value === null) {
      word(NULL_LENGTH);
    } else {
      word(bytes);
      write(value);
    }
  }
  return end();
}

export const int4Array = (values: ReadonlyArray<number | null>): Buffer => fixedArray(OID.int4, 4, values, word);

/** @param values safe integers, or bigints of 64 bits */
export const int8Array = (values: ReadonlyArray<number | bigint | null>): Buffer =>
  fixedArray(OID.int8, 8, values, (value) => {
    if (typeof value === 'number') {
      twoWords(value);
    } else {
      length = scratch.writeBigInt64BE(value, length);
    }
  });

/** @param values epoch milliseconds */
export const timestampArray = (values: ReadonlyArray<number | null>): Buffer =>
  fixedArray(OID.timestamptz, 8, values, (value) => {
    // Microseconds of far-off years are beyond 2^53: the words are computed apart.
    const milliseconds = value - EPOCH_MS;
    const high = Math.floor(milliseconds / TWO_TO_32);
    const low = (milliseconds - high * TWO_TO_32) * 1000;
    const carry = Math.floor(low / TWO_TO_32);
    word(high * 1000 + carry);
    word(low - carry * TWO_TO_32);
  });

/** @param values days since 1970-01-01 */
export const dateArray = (values: ReadonlyArray<number | null>): Buffer =>
  fixedArray(OID.date, 4, values, (value) => word(value - EPOCH_DAYS));

const UUID_BYTES = 16;
const VERSION_AT = 6;
const VARIANT_AT = 8;

/** So many random UUIDs (RFC 9562, version 4). */
export function newUuidArray(count: number): Buffer {
  const random = randomFillSync(Buffer.allocUnsafe(count * UUID_BYTES));
  begin(OID.uuid, count);
  reserve(count * (LENGTH_BYTES + UUID_BYTES));
  for (let at = 0; at < random.length; at += UUID_BYTES) {
    word(UUID_BYTES);
    random.copy(scratch, length, at, at + UUID_BYTES);
    scratch[length + VERSION_AT] = ((scratch[length + VERSION_AT] as number) & 0x0f) | 0x40;
    scratch[length + VARIANT_AT] = ((scratch[length + VARIANT_AT] as number) & 0x3f) | 0x80;
    length += UUID_BYTES;
  }
  return end();
}
