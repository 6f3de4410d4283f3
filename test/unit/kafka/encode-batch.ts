import { createRequire } from 'node:module';
import type { LogRecord } from '../../../activities/ports.ts';
import { crc32c } from '../../../adapters/kafka/crc32c.ts';

const require = createRequire(import.meta.url);
interface Encoder {
  buffer: Buffer;
}
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(batch: object): Promise<Encoder>;
};
const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => Encoder;

export interface BatchToEncode {
  baseOffset: number;
  /** Default: that of the last record. */
  lastOffset?: number;
  records: readonly LogRecord[];
  compression?: number;
  transactional?: boolean;
  producerId?: number;
  control?: boolean;
  appendTimestamp?: number;
}

/** Encodes a batch with kafkajs's own encoder, an implementation that is not ours. */
export async function encodeBatch(batch: BatchToEncode): Promise<Buffer> {
  const { baseOffset, records } = batch;
  const lastOffset = batch.lastOffset ?? records.at(-1)?.offset ?? baseOffset;
  const firstTimestamp = records[0]?.timestamp ?? 0;
  const encoded = records.map(({ offset, timestamp, key, value, headers }) =>
    encodeRecord({
      offsetDelta: offset - baseOffset,
      timestampDelta: timestamp - firstTimestamp,
      key,
      value,
      headers: Object.fromEntries(headers),
    }),
  );
  const { buffer } = await RecordBatch({
    compression: batch.compression ?? 0,
    firstOffset: baseOffset,
    firstTimestamp,
    maxTimestamp: batch.appendTimestamp ?? Math.max(0, ...records.map(({ timestamp }) => timestamp)),
    lastOffsetDelta: lastOffset - baseOffset,
    transactional: batch.transactional ?? false,
    producerId: batch.producerId ?? -1,
    records: encoded,
  });
  return withAttributes(buffer, (batch.control ? 0x20 : 0) | (batch.appendTimestamp === undefined ? 0 : 0x08));
}

/** Sets attributes that kafkajs's producer never needs. */
function withAttributes(encoded: Buffer, flags: number): Buffer {
  const bytes = Buffer.from(encoded);
  bytes.writeInt16BE(bytes.readInt16BE(21) | flags, 21);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

/** A transaction marker: 0 aborts, 1 commits. */
export const encodeMarker = (offset: number, producerId: number, type: 0 | 1): Promise<Buffer> =>
  encodeBatch({
    baseOffset: offset,
    transactional: true,
    control: true,
    producerId,
    records: [{ ...record(offset), key: Buffer.from([0, 0, 0, type]), value: Buffer.alloc(6) }],
  });

/** A record with its offset as value. */
export const record = (offset: number): LogRecord => ({
  offset,
  timestamp: 1_700_000_000_000 + offset,
  key: null,
  value: Buffer.from(String(offset)),
  headers: [],
});

/** Records with all that can be asked of them, to be compared. */
export const spelledOut = (records: readonly LogRecord[]): LogRecord[] =>
  records.map(({ offset, timestamp, key, value, headers }) => ({ offset, timestamp, key, value, headers }));
