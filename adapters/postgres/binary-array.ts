/**
 * PostgreSQL's binary form of arrays, in which thousands of values travel as one parameter: three words of header, the
 * length and lower bound of the one dimension, then each value with its length before it (src/backend/utils/adt/
 * arrayfuncs.c, array_recv). Neither side has to quote, search for what needs quoting, or parse.
 */
import { randomFillSync } from 'node:crypto';
import { unitAt } from '../../domain/text.ts';
import { giveBuffer, takeBuffer } from './buffer-pool.ts';

/** Of pg_type; they are the same in every server. */
const OID = { int8: 20, int4: 23, text: 25, date: 1082, timestamptz: 1184, uuid: 2950, jsonb: 3802 } as const;

const LENGTH_BYTES = 4;
/** Dimensions, whether there are nulls, type; then, where there are values, how many and the lower bound. */
const HEADER_BYTES = 20;
const EMPTY_BYTES = 12;
const NULL_LENGTH = -1;
const JSONB_VERSION = 1;
const TWO_TO_32 = 2 ** 32;
/** PostgreSQL counts from 2000-01-01. */
const EPOCH_MS = Date.UTC(2000, 0, 1);
const EPOCH_DAYS = EPOCH_MS / 86_400_000;
/** Below this many characters a loop beats a call into the engine's own encoder. */
const SHORT_TEXT = 32;
const MOST_BYTES_PER_CHARACTER = 3;

/** Where values are written to: the bytes of the array at hand. */
let scratch: Buffer = Buffer.alloc(0);
let length = 0;

const RELEASED = Buffer.alloc(0);

/** An array that comes together piece by piece. */
export class BinaryArray<Value> {
  readonly #type: ValueType<Value>;
  #bytes = takeBuffer(HEADER_BYTES);
  #length = HEADER_BYTES;
  #count = 0;

  constructor(type: ValueType<Value>) {
    this.#type = type;
  }

  add(values: ReadonlyArray<Value | null>): this {
    scratch = this.#bytes;
    length = this.#length;
    this.#type.write(values);
    this.#bytes = scratch;
    this.#length = length;
    this.#count += values.length;
    return this;
  }

  /** @returns the array as a view that is good until `release` */
  end(): Buffer {
    const bytes = this.#bytes;
    bytes.writeInt32BE(this.#count === 0 ? 0 : 1, 0);
    bytes.writeInt32BE(0, 4); // a hint that there are nulls, which PostgreSQL finds out by itself
    bytes.writeInt32BE(this.#type.oid, 8);
    bytes.writeInt32BE(this.#count, 12);
    bytes.writeInt32BE(1, 16);
    return bytes.subarray(0, this.#count === 0 ? EMPTY_BYTES : this.#length);
  }

  /** The array was sent, and may be written over. */
  release(): void {
    if (this.#bytes !== RELEASED) giveBuffer(this.#bytes);
    this.#bytes = RELEASED;
  }
}

/** How values of a type are written. */
export interface ValueType<Value> {
  oid: number;
  write(values: ReadonlyArray<Value | null>): void;
}

function whole<Value>(type: ValueType<Value>, values: ReadonlyArray<Value | null>): Buffer {
  const array = new BinaryArray(type).add(values);
  const bytes = Buffer.from(array.end());
  array.release();
  return bytes;
}

function reserve(bytes: number): void {
  if (length + bytes > scratch.length) {
    const larger = takeBuffer(Math.max(scratch.length * 2, length + bytes));
    scratch.copy(larger, 0, 0, length);
    giveBuffer(scratch);
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
    const code = unitAt(text, index);
    if (code > 0x7f) {
      return false;
    }
    scratch[at] = code;
    at += 1;
  }
  length = at;
  return true;
}

function texts(oid: number, version: number | null): ValueType<string> {
  return {
    oid,
    write(values) {
      for (const value of values) {
        if (value === null) {
          reserve(LENGTH_BYTES);
          word(NULL_LENGTH);
        } else {
          reserve(LENGTH_BYTES + 1 + value.length * MOST_BYTES_PER_CHARACTER);
          text(value, version);
        }
      }
    },
  };
}

function fixed<Value>(oid: number, bytes: number, write: (value: Value) => void): ValueType<Value> {
  return {
    oid,
    write(values) {
      reserve(values.length * (LENGTH_BYTES + bytes));
      for (const value of values) {
        if (value === null) {
          word(NULL_LENGTH);
        } else {
          word(bytes);
          write(value);
        }
      }
    },
  };
}

export const TEXT = texts(OID.text, null);

/** Of texts of JSON. */
export const JSONB = texts(OID.jsonb, JSONB_VERSION);

export const INT4 = fixed<number>(OID.int4, 4, word);

/** Of safe integers, or bigints of 64 bits. */
export const INT8 = fixed<number | bigint>(OID.int8, 8, (value) => {
  if (typeof value === 'number') {
    twoWords(value);
  } else {
    length = scratch.writeBigInt64BE(value, length);
  }
});

/** Of epoch milliseconds. */
export const TIMESTAMP = fixed<number>(OID.timestamptz, 8, (value) => {
  // Microseconds of far-off years are beyond 2^53: the words are computed apart.
  const milliseconds = value - EPOCH_MS;
  const high = Math.floor(milliseconds / TWO_TO_32);
  const low = (milliseconds - high * TWO_TO_32) * 1000;
  const carry = Math.floor(low / TWO_TO_32);
  word(high * 1000 + carry);
  word(low - carry * TWO_TO_32);
});

/** Of days since 1970-01-01. */
export const DATE = fixed<number>(OID.date, 4, (value) => word(value - EPOCH_DAYS));

export const textArray = (values: ReadonlyArray<string | null>): Buffer => whole(TEXT, values);
export const int4Array = (values: ReadonlyArray<number | null>): Buffer => whole(INT4, values);
export const int8Array = (values: ReadonlyArray<number | bigint | null>): Buffer => whole(INT8, values);
export const timestampArray = (values: ReadonlyArray<number | null>): Buffer => whole(TIMESTAMP, values);

const UUID_BYTES = 16;
const VERSION_AT = 6;
const VARIANT_AT = 8;

/** Random UUIDs (RFC 9562, version 4), one for each value, whatever that is. */
export const NEW_UUID: ValueType<unknown> = {
  oid: OID.uuid,
  write({ length: count }) {
    const random = randomFillSync(Buffer.allocUnsafe(count * UUID_BYTES));
    reserve(count * (LENGTH_BYTES + UUID_BYTES));
    for (let at = 0; at < random.length; at += UUID_BYTES) {
      word(UUID_BYTES);
      random.copy(scratch, length, at, at + UUID_BYTES);
      scratch[length + VERSION_AT] = ((scratch[length + VERSION_AT] as number) & 0x0f) | 0x40;
      scratch[length + VARIANT_AT] = ((scratch[length + VARIANT_AT] as number) & 0x3f) | 0x80;
      length += UUID_BYTES;
    }
  },
};
