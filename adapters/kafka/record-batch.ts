/**
 * Decoder of Kafka's record batches (format 2, since Kafka 0.11). Pure, and the hot path of reading: values and keys
 * are views into the bytes that the broker sent.
 */
import type { LogRecord } from '../../activities/ports.ts';
import { crc32c } from './crc32c.ts';
import { readInt64 } from './protocol/wire.ts';

/** Bytes before the records: 12 of offset and length, then 49 of header. */
const HEADER_BYTES = 61;
const LENGTH_END = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const CRC_END = 21;
const FORMAT_2 = 2;
const CODEC_MASK = 0x07;
const APPEND_TIME_FLAG = 0x08;
const TRANSACTIONAL_FLAG = 0x10;
const CONTROL_FLAG = 0x20;
/** Of one batch. What decodes them makes of a few bytes far more of memory, and compression makes those bytes of none. */
const MOST_RECORDS = 1_000_000;
const MOST_HEADERS = 1_000_000;
const NO_HEADERS: LogRecord['headers'] = Object.freeze([]);

/** The header of a batch; its records are still encoded and maybe compressed. */
export interface RecordBatch {
  baseOffset: number;
  /** Inclusive; the record itself may be compacted away. */
  lastOffset: number;
  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
  codec: number;
  transactional: boolean;
  /** A transaction marker instead of records. */
  control: boolean;
  producerId: bigint;
  baseTimestamp: number;
  /** The broker's time for all records where the topic has message.timestamp.type=LogAppendTime, else null. */
  appendTimestamp: number | null;
  recordCount: number;
  /** The records as they were sent. */
  payload: Buffer;
}

/** The bytes are not a record batch that we can read. */
export class RecordFormatError extends Error {
  override readonly name = 'RecordFormatError';
}

/** The batch is sound as far as we know, and too much for our memory. */
export class BatchTooLargeError extends RecordFormatError {}

/**
 * The batches of a partition's record set. A batch cut off at the end is left out: brokers fill an answer up to its
 * limit and the next fetch begins with it.
 * @throws RecordFormatError when the first batch is damaged or of the time before Kafka 0.11; a later one is left out
 */
export function readBatches(recordSet: Buffer): RecordBatch[] {
  const batches: RecordBatch[] = [];
  for (let at = 0; at + LENGTH_END <= recordSet.length; ) {
    const end = at + LENGTH_END + recordSet.readInt32BE(at + 8);
    if (end > recordSet.length) break;
    const damage = damageOf(recordSet, at, end);
    if (damage !== null && batches.length > 0) break;
    if (damage !== null) throw new RecordFormatError(damage);
    batches.push(readHeader(recordSet, at, end));
    at = end;
  }
  return batches;
}

function damageOf(bytes: Buffer, at: number, end: number): string | null {
  if (end <= at + CRC_AT) return 'a record batch has an impossible length';
  const magic = bytes.readInt8(at + MAGIC_AT);
  if (magic !== FORMAT_2) {
    return `the messages are in format ${magic}, of the time before Kafka 0.11, which can not be read: copy them to a new topic`;
  }
  if (end < at + HEADER_BYTES) return 'a record batch has an impossible length';
  const intact = crc32c(bytes.subarray(at + CRC_END, end)) === bytes.readUInt32BE(at + CRC_AT);
  return intact ? null : 'a record batch is damaged: its checksum does not match';
}

function readHeader(bytes: Buffer, at: number, end: number): RecordBatch {
  const attributes = bytes.readInt16BE(at + 21);
  const baseOffset = readInt64(bytes, at);
  return {
    baseOffset,
    lastOffset: baseOffset + bytes.readInt32BE(at + 23),
    codec: attributes & CODEC_MASK,
    transactional: (attributes & TRANSACTIONAL_FLAG) !== 0,
    control: (attributes & CONTROL_FLAG) !== 0,
    producerId: bytes.readBigInt64BE(at + 43),
    baseTimestamp: readInt64(bytes, at + 27),
    appendTimestamp: (attributes & APPEND_TIME_FLAG) === 0 ? null : readInt64(bytes, at + 35),
    recordCount: bytes.readInt32BE(at + 57),
    payload: bytes.subarray(at + HEADER_BYTES, end),
  };
}

/**
 * Decodes the records of a batch.
 * @param bytes the batch's payload, decompressed
 * @param from records before this offset are passed over
 * @param to records from this offset on are left out
 * @throws RecordFormatError when the records don't fit their batch, BatchTooLargeError when there are too many
 */
export function decodeRecords(batch: RecordBatch, bytes: Buffer, from: number, to: number): LogRecord[] {
  if (batch.recordCount > MOST_RECORDS) throw new BatchTooLargeError(`it has more than ${MOST_RECORDS} records`);
  const records: LogRecord[] = [];
  const cursor = new Cursor(bytes);
  for (let index = 0; index < batch.recordCount; index += 1) {
    const end = cursor.endOf(cursor.varint());
    cursor.skip(1); // attributes, unused so far
    const timestamp = batch.baseTimestamp + cursor.varlong();
    const offset = batch.baseOffset + cursor.varint();
    if (offset >= to) break;
    if (offset >= from) {
      const keyLength = cursor.field();
      const keyEnd = cursor.at;
      const valueLength = cursor.field();
      const valueEnd = cursor.at;
      const time = batch.appendTimestamp ?? timestamp;
      const headers = readHeaders(cursor);
      records.push(new KafkaRecord(offset, time, headers, bytes, keyEnd, keyLength, valueEnd, valueLength));
      if (cursor.at !== end)
        throw new RecordFormatError(`the record at offset ${offset} has another length than it says`);
    }
    cursor.at = end;
  }
  return records;
}

const NULL_LENGTH = -1;

/**
 * A record as a place in the bytes that the broker sent. Thousands wait while their batch is written, and a view takes
 * more memory than everything else of a record: key and value are made at each look.
 */
class KafkaRecord implements LogRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly headers: LogRecord['headers'];
  readonly #bytes: Buffer;
  readonly #keyEnd: number;
  readonly #keyLength: number;
  readonly #valueEnd: number;
  readonly #valueLength: number;

  constructor(
    offset: number,
    timestamp: number,
    headers: LogRecord['headers'],
    bytes: Buffer,
    keyEnd: number,
    keyLength: number,
    valueEnd: number,
    valueLength: number,
  ) {
    this.offset = offset;
    this.timestamp = timestamp;
    this.headers = headers;
    this.#bytes = bytes;
    this.#keyEnd = keyEnd;
    this.#keyLength = keyLength;
    this.#valueEnd = valueEnd;
    this.#valueLength = valueLength;
  }

  get key(): Buffer | null {
    return viewOf(this.#bytes, this.#keyEnd, this.#keyLength);
  }

  get value(): Buffer | null {
    return viewOf(this.#bytes, this.#valueEnd, this.#valueLength);
  }

  get size(): number {
    return Math.max(0, this.#keyLength) + Math.max(0, this.#valueLength);
  }
}

function viewOf(bytes: Buffer, end: number, length: number): Buffer | null {
  return length === NULL_LENGTH ? null : bytes.subarray(end - length, end);
}

function readHeaders(cursor: Cursor): LogRecord['headers'] {
  const count = cursor.varint();
  if (count === 0) return NO_HEADERS;
  cursor.headers += count;
  if (cursor.headers > MOST_HEADERS) throw new BatchTooLargeError(`it has more than ${MOST_HEADERS} headers`);
  const headers: Array<readonly [string, Buffer | null]> = [];
  for (let index = 0; index < count; index += 1) {
    headers.push([cursor.bytes()?.toString('utf8') ?? '', cursor.bytes()]);
  }
  return headers;
}

class Cursor {
  at = 0;
  /** Of all records so far. */
  headers = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Where something of this length ends. */
  endOf(length: number): number {
    const end = this.at + length;
    if (length < 0 || end > this.#bytes.length) throw truncated();
    return end;
  }

  skip(length: number): void {
    this.at = this.endOf(length);
  }

  /** Steps over a field with its length before it. @returns the length, -1 for null */
  field(): number {
    const length = this.varint();
    if (length !== NULL_LENGTH) this.at = this.endOf(length);
    return length;
  }

  /** A field with its length before it, null for length -1. */
  bytes(): Buffer | null {
    const length = this.field();
    return viewOf(this.#bytes, this.at, length);
  }

  /** A signed number of at most 32 bits. */
  varint(): number {
    const first = this.#bytes[this.at++];
    if (first === undefined) throw truncated();
    if (first < 0x80) return (first >>> 1) ^ -(first & 1);
    let value = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) throw truncated();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new RecordFormatError('a variable-length number does not end');
  }

  /** A signed number of at most 64 bits. */
  varlong(): number {
    let value = 0;
    for (let unit = 1; unit < 2 ** 70; unit *= 128) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) throw truncated();
      value += (byte & 0x7f) * unit;
      if (byte >= 0x80) continue;
      if (value > Number.MAX_SAFE_INTEGER) throw new RecordFormatError('a record holds a number beyond 2^53');
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new RecordFormatError('a variable-length number does not end');
  }
}

const truncated = () => new RecordFormatError('the records end before their batch says so');
