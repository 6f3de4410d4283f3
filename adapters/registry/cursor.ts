import { isUtf8 } from 'node:buffer';
import { KnownTexts, LONGEST_KNOWN } from './known-texts.ts';

const CONTINUES = 0x80;
const BITS = 0x7f;
/** A zigzag varint of 64 bits has at most ten bytes. */
const LONGEST_VARINT = 10;

/**
 * Reads Avro's binary primitives out of one message after the other. It never throws and never reads outside the
 * message, whatever lengths the bytes claim: after the first impossible one `failed` is set, and everything read from
 * then on is empty. Made for one message at a time; `open` starts the next.
 */
export class Cursor {
  failed = false;
  /** The field whose text is not UTF-8, null when all are. */
  invalidText: string | null = null;
  /** A field that holds something that has no place in our records. */
  misfit: string | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  #position = 0;
  #end = 0;
  readonly #known = new KnownTexts();

  /** Goes to the message's `start`; what was read before is forgotten. */
  open(bytes: Buffer, start: number): void {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = bytes.length;
    this.failed = false;
    this.invalidText = null;
    this.misfit = null;
  }

  /** True when the message was read to its very end. */
  get complete(): boolean {
    return !this.failed && this.#position === this.#end;
  }

  get remaining(): number {
    return this.#end - this.#position;
  }

  fail(): 0 {
    this.failed = true;
    this.#position = this.#end;
    return 0;
  }

  /** A zigzag varint, an `int` or a `long`; exact up to 2^52, beyond that only known to be larger. */
  readLong(): number {
    let value = 0;
    let at = this.#position;
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= this.#end) return this.fail();
      const byte = this.#bytes[at++] as number;
      value |= (byte & BITS) << shift;
      if (byte < CONTINUES) {
        this.#position = at;
        return (value >>> 1) ^ -(value & 1);
      }
    }
    return this.#readWideLong(value, at);
  }

  /** The rest of a varint whose low 28 bits are known: 32-bit operators would cut it off, so this computes in floats. */
  #readWideLong(low: number, from: number): number {
    let value = low;
    let weight = 2 ** 28;
    const limit = Math.min(this.#end, this.#position + LONGEST_VARINT);
    for (let at = from; at < limit; at++) {
      const byte = this.#bytes[at] as number;
      value += (byte & BITS) * weight;
      weight *= 128;
      if (byte < CONTINUES) {
        this.#position = at + 1;
        return (value % 2 === 0 ? value : -(value + 1)) / 2;
      }
    }
    return this.fail();
  }

  /**
   * A length-prefixed text. Bytes that are not UTF-8 become U+FFFD like everywhere, but are noted under `field`; only
   * here can they be told from a U+FFFD that the source really sent.
   */
  readText(field: string): string {
    const from = this.#takeBlock();
    const to = this.#position;
    const isShort = to - from <= LONGEST_KNOWN;
    const known = isShort ? this.#known.find(this.#bytes, from, to) : undefined;
    if (known !== undefined) return known;
    // Without a name, the encoding need not be looked up. Cut out of the whole as one text, each would keep that alive.
    const text = this.#bytes.toString(undefined, from, to);
    if (text.includes('\uFFFD') && !isUtf8(this.#bytes.subarray(from, to))) this.invalidText ??= field;
    else if (isShort) this.#known.keep(text, this.#bytes, from, to);
    return text;
  }

  /** A view of length-prefixed bytes. */
  readBytes(): Buffer {
    const from = this.#takeBlock();
    return this.#bytes.subarray(from, this.#position);
  }

  /** A view of as many bytes. */
  readFixed(size: number): Buffer {
    this.skip(size);
    return this.failed ? this.#bytes.subarray(0, 0) : this.#bytes.subarray(this.#position - size, this.#position);
  }

  skip(size: number): void {
    if (size < 0 || size > this.remaining) this.fail();
    else this.#position += size;
  }

  skipBlock(): void {
    this.skip(this.readLong());
  }

  /** Steps over a length-prefixed block. @returns where its content begins */
  #takeBlock(): number {
    const length = this.readLong();
    const from = this.#position;
    this.skip(length);
    return this.failed ? this.#position : from;
  }
}
