import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import avsc, { type Schema } from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBlockSplitter } from '../../../adapters/files/avro-blocks.ts';
import { createFileDecoder } from '../../../adapters/files/index.ts';
import type { Piece } from '../../../adapters/files/pieces.ts';
import { SCHEMAS } from '../../../domain/schemas.ts';
import { LEAD, OPPORTUNITY, RECORDED } from '../domain/sound.ts';
import { retyped, withDataFields } from '../registry/writer.ts';
import { AVRO, fileOf, recordsOf } from './folder-harness.ts';

const SYNC = Buffer.from('0123456789abcdef');
const long = avsc.Type.forSchema('long');
const CODECS = {
  null: (block: Buffer) => block,
  deflate: (block: Buffer) => deflateRawSync(block),
  zstandard: (block: Buffer) => zstdCompressSync(block),
};

interface Block {
  count: number;
  data: Buffer;
}

function head(schema: unknown, codec: string): Buffer {
  const map = avsc.Type.forSchema({ type: 'map', values: 'bytes' });
  const entries = { 'avro.schema': Buffer.from(JSON.stringify(schema)), 'avro.codec': Buffer.from(codec) };
  return Buffer.concat([Buffer.from('Obj\x01'), map.toBuffer(entries), SYNC]);
}

const blockBytes = ({ count, data }: Block) =>
  Buffer.concat([long.toBuffer(count), long.toBuffer(data.length), data, SYNC]);

/** A container file as the specification has it, made without our code. */
function containerOf(schema: unknown, blocks: readonly object[][], codec: keyof typeof CODECS = 'null') {
  const type = avsc.Type.forSchema(structuredClone(schema) as Schema);
  const made = blocks.map((events) =>
    blockBytes({
      count: events.length,
      data: CODECS[codec](Buffer.concat(events.map((event) => type.toBuffer(event)))),
    }),
  );
  return { head: head(schema, codec), blocks: made, bytes: Buffer.concat([head(schema, codec), ...made]) };
}

const leadEvent = (eventId: string, over: object = {}) => ({
  eventId,
  eventType: 'lead.created',
  organizationId: 'org-1',
  timestamp: RECORDED,
  data: { ...LEAD, ...over },
  metadata: null,
});
const blocksOf = (counts: readonly number[]) =>
  counts.map((count, block) => Array.from({ length: count }, (_, index) => leadEvent(`${block}-${index}`)));

const decoder = createFileDecoder();

/** What each offset decodes to: an event id, or why it failed. */
async function outcomesOf(bytes: Buffer, name = 'a.avro', chunkBytes?: number, from?: number, to?: number) {
  const { reader, file } = await fileOf(name, bytes, AVRO, chunkBytes);
  const records = await recordsOf(reader, file, from, to);
  return records.map(({ offset, value }) => {
    const decoded = decoder.decode(value!);
    if (decoded instanceof Promise) throw new Error('files need no registry');
    return [offset, decoded.ok ? decoded.event.eventId : decoded.rejection.detail];
  });
}

describe('an Avro container file', () => {
  it.each(Object.keys(CODECS) as Array<keyof typeof CODECS>)(
    'is read with codec %s, record by record',
    async (codec) => {
      const { bytes } = containerOf(SCHEMAS.leads, blocksOf([3, 1]), codec);
      expect(await outcomesOf(bytes)).toEqual([
        [1, '0-0'],
        [2, '0-1'],
        [3, '0-2'],
        [4, '1-0'],
      ]);
    },
  );

  it('is divided at its blocks, and read from any record on', async () => {
    const { bytes } = containerOf(SCHEMAS.leads, blocksOf([5, 5, 5, 5]));
    const { file } = await fileOf('a.avro', bytes, AVRO, 1);
    expect(file.chunks.map(({ from, to }) => [from, to])).toEqual([
      [1, 6],
      [6, 11],
      [11, 16],
      [16, 21],
    ]);
    expect(await outcomesOf(bytes, 'a.avro', 1, 8, 12)).toEqual([
      [8, '1-2'],
      [9, '1-3'],
      [10, '1-4'],
      [11, '2-0'],
    ]);
    expect(await outcomesOf(gzipSync(bytes), 'a.avro.gz', 1, 8, 10)).toEqual([
      [8, '1-2'],
      [9, '1-3'],
    ]);
  });

  it('gives the very event that the same record of Kafka would: times in micros, days and decimals', async () => {
    const schema = withDataFields('opportunities', (fields) =>
      retyped('createdAt', { type: 'long', logicalType: 'timestamp-micros' })(fields),
    );
    const event = {
      ...leadEvent('1'),
      eventType: 'opportunity.created',
      data: { ...OPPORTUNITY, amount: Buffer.from([0x01, 0xe8, 0x48]), createdAt: OPPORTUNITY.createdAt * 1_000 },
    };
    const { reader, file } = await fileOf('a.avro', containerOf(schema, [[event]]).bytes, AVRO);
    const [record] = await recordsOf(reader, file);
    expect(await decoder.decode(record!.value!)).toEqual({
      ok: true,
      schemaId: 0,
      event: { ...event, entity: 'opportunity', data: OPPORTUNITY },
    });
  });

  it('is refused with another codec, another schema, or no head', async () => {
    const snappy = Buffer.concat([head(SCHEMAS.leads, 'snappy'), SYNC]);
    await expect(fileOf('a.avro', snappy, AVRO)).rejects.toThrow('write it with null, deflate, zstandard');
    const other = head({ type: 'record', name: 'Other', fields: [] }, 'null');
    await expect(fileOf('a.avro', other, AVRO)).rejects.toThrow('eventId: required');
    await expect(fileOf('a.avro', '{"a":1}\n', AVRO)).rejects.toThrow('no Avro container file');
  });
});

describe('a block that can not be read', () => {
  const CORRUPT = 'the Avro block with this record is cut off or corrupt';
  const since = (record: number) => `${CORRUPT}; record ${record} has its bytes`;

  it('fails record by record, and costs no other block', async () => {
    const { head: start, blocks } = containerOf(SCHEMAS.leads, blocksOf([2, 3, 2]));
    const broken = blockBytes({ count: 3, data: Buffer.from('no records at all') });
    expect(await outcomesOf(Buffer.concat([start, blocks[0]!, broken, blocks[2]!]))).toEqual([
      [1, '0-0'],
      [2, '0-1'],
      [3, CORRUPT],
      [4, since(3)],
      [5, since(3)],
      [6, '2-0'],
      [7, '2-1'],
    ]);
  });

  it.each([
    [
      'whose size is wrong',
      (block: Buffer) => {
        block[1] = 0x7e;
        return block;
      },
    ],
    ['whose packed bytes are wrong', (block: Buffer) => block.fill(0xff, 3, 20)],
    [
      'that is followed by rubbish',
      (block: Buffer) => Buffer.concat([block.subarray(0, -16), Buffer.from('rubbish'), SYNC]),
    ],
  ])('%s is passed over up to the next sync marker', async (_, spoil) => {
    const { head: start, blocks } = containerOf(SCHEMAS.leads, blocksOf([2, 2, 2]), 'deflate');
    const bytes = Buffer.concat([start, blocks[0]!, spoil(Buffer.from(blocks[1]!)), blocks[2]!]);
    expect(await outcomesOf(bytes)).toEqual([
      [1, '0-0'],
      [2, '0-1'],
      [3, CORRUPT],
      [4, since(3)],
      [5, '2-0'],
      [6, '2-1'],
    ]);
  });

  it('at the end of a file that was cut off is noticed', async () => {
    const { bytes } = containerOf(SCHEMAS.leads, blocksOf([2, 2]));
    expect(await outcomesOf(bytes.subarray(0, -30))).toEqual([
      [1, '0-0'],
      [2, '0-1'],
      [3, CORRUPT],
      [4, since(3)],
    ]);
  });

  it('is told from a single record that is wrong', async () => {
    const type = avsc.Type.forSchema(structuredClone(SCHEMAS.leads) as unknown as Schema);
    const spoilt = type.toBuffer(leadEvent('b', { firstName: 'canary' }));
    spoilt[spoilt.indexOf('canary')] = 0xff;
    const data = Buffer.concat([type.toBuffer(leadEvent('a')), spoilt, type.toBuffer(leadEvent('c'))]);
    expect(await outcomesOf(Buffer.concat([head(SCHEMAS.leads, 'null'), blockBytes({ count: 3, data })]))).toEqual([
      [1, 'a'],
      [2, 'holds bytes that are not UTF-8'],
      [3, 'c'],
    ]);
  });

  it('and all others are cut the same way however the content is divided into buffers', () => {
    const damage = fc.tuple(fc.nat(600), fc.nat(255));
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 4 }), fc.integer({ min: 1, max: 90 }), (spoils, size) => {
        const content = Buffer.concat(containerOf(SCHEMAS.leads, blocksOf([1, 2, 1])).blocks);
        for (const [at, byte] of spoils) content[at % content.length] = byte;
        const cut = (bytes: number): Piece[] => {
          const splitter = createBlockSplitter(SYNC, { from: 1, byte: 0 });
          const pieces = [];
          for (let at = 0; at < content.length; at += bytes)
            pieces.push(...splitter.push(content.subarray(at, at + bytes)));
          return [...pieces, ...splitter.end()];
        };
        expect(cut(size)).toEqual(cut(content.length));
      }),
    );
  });
});
