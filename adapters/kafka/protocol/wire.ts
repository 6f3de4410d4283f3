/** Primitive types of Kafka's protocol, in its flexible encoding (KIP-482) where there are two. */

const NO_TAGS = 0;

/** Throws unless the number is exact: offsets and times are plain numbers here. */
function exact(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError('Kafka sent a 64-bit number beyond 2^53');
  return value;
}

/** A big-endian INT64 as a number. @throws RangeError beyond 2^53 */
export const readInt64 = (bytes: Buffer, at: number): number =>
  exact(bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4));

/** Reads a response from its beginning. @throws RangeError when it ends too early */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #advance(length: number): number {
    const at = this.#at;
    if (length < 0 || at + length > this.#bytes.length) throw new RangeError('Kafka sent a truncated response');
    this.#at = at + length;
    return at;
  }

  boolean(): boolean {
    return this.#bytes.readInt8(this.#advance(1)) !== 0;
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#advance(4));
  }

  int64(): number {
    return readInt64(this.#bytes, this.#advance(8));
  }

  /** A 64-bit identifier, which need not fit into a number. */
  id64(): bigint {
    return this.#bytes.readBigInt64BE(this.#advance(8));
  }

  /** 32 hexadecimal digits. */
  uuid(): string {
    return this.#slice(16).toString('hex');
  }

  #slice(length: number): Buffer {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#advance(1));
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('Kafka sent a variable-length number that does not end');
  }

  /** COMPACT_NULLABLE_STRING. */
  compactString(): string | null {
    const length = this.unsignedVarint();
    return length === 0 ? null : this.#slice(length - 1).toString('utf8');
  }

  /** COMPACT_NULLABLE_BYTES or COMPACT_RECORDS: a view, without a copy. */
  compactBytes(): Buffer | null {
    const length = this.unsignedVarint();
    return length === 0 ? null : this.#slice(length - 1);
  }

  string(): string {
    return this.#slice(this.int16()).toString('utf8');
  }

  /** COMPACT_ARRAY; null counts as empty. */
  compactArray<T>(element: (reader: this) => T): T[] {
    const length = this.unsignedVarint() - 1;
    const elements: T[] = [];
    for (let index = 0; index < length; index += 1) elements.push(element(this));
    return elements;
  }

  array<T>(element: (reader: this) => T): T[] {
    const length = this.int32();
    const elements: T[] = [];
    for (let index = 0; index < length; index += 1) elements.push(element(this));
    return elements;
  }

  /** Passes over the tagged fields at the end of a flexible structure: we need none of them. */
  skipTags(): void {
    for (let left = this.unsignedVarint(); left > 0; left -= 1) {
      this.unsignedVarint();
      this.#advance(this.unsignedVarint());
    }
  }
}

/** Writes a request; each method returns the writer. */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(512);
  #at = 0;

  #reserve(length: number): number {
    const at = this.#at;
    this.#at = at + length;
    if (this.#at > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * this.#at);
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return at;
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int8(value: number): this {
    const at = this.#reserve(1);
    this.#bytes.writeInt8(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }

  int64(value: number): this {
    const at = this.#reserve(8);
    this.#bytes.writeBigInt64BE(BigInt(value), at);
    return this;
  }

  /** 32 hexadecimal digits. */
  uuid(value: string): this {
    const at = this.#reserve(16);
    this.#bytes.write(value, at, 16, 'hex');
    return this;
  }

  unsignedVarint(value: number): this {
    let left = value;
    for (; left >= 0x80; left = Math.floor(left / 0x80)) this.#byte((left % 0x80) | 0x80);
    return this.#byte(left);
  }

  #byte(value: number): this {
    const at = this.#reserve(1);
    this.#bytes.writeUInt8(value, at);
    return this;
  }

  compactString(value: string): this {
    const length = Buffer.byteLength(value);
    this.unsignedVarint(length + 1);
    const at = this.#reserve(length);
    this.#bytes.write(value, at, length, 'utf8');
    return this;
  }

  string(value: string): this {
    const length = Buffer.byteLength(value);
    const at = this.#reserve(2 + length);
    this.#bytes.writeInt16BE(length, at);
    this.#bytes.write(value, at + 2, length, 'utf8');
    return this;
  }

  compactArray<T>(elements: readonly T[], write: (element: T) => void): this {
    this.unsignedVarint(elements.length + 1);
    elements.forEach(write);
    return this;
  }

  array<T>(elements: readonly T[], write: (element: T) => void): this {
    this.int32(elements.length);
    elements.forEach(write);
    return this;
  }

  noTags(): this {
    return this.unsignedVarint(NO_TAGS);
  }

  /** What was written so far. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }
}
