import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { FileReading } from '../../../activities/file-ports.ts';
import { createFileDecoder } from '../../../adapters/files/index.ts';
import { fileOf, recordsOf, textsOf } from './folder-harness.ts';

const CANARY = 'canary@example.com';

function reading(csv: Partial<NonNullable<FileReading['csv']>> = {}): FileReading {
  const mapping = {
    Id: 'eventId',
    Wann: 'timestamp',
    Lead: 'data.id',
    Mail: 'data.email',
    Punkte: 'data.score',
  } as const;
  const constants = { eventType: 'lead.created', organizationId: 'org-1', 'metadata.source': 'file' };
  return { format: 'csv', csv: { mapping, delimiter: ',', constants, ...csv } };
}

const HEADER = 'Id,Wann,Lead,Mail,Punkte,Notiz\n';

async function jsonOf(content: string | Buffer, how = reading(), name = 'leads.csv') {
  const { reader, file } = await fileOf(name, content, how);
  return textsOf(await recordsOf(reader, file)).map(([offset, text]) => [offset, JSON.parse(text)]);
}

describe('rows of CSV', () => {
  it('become events by the mapping: numbers where an event has them, nothing for empty cells, constants for the rest', async () => {
    const rows = '1,2026-01-31T12:00:00Z,lead-1,a@example.com,70,left out\n2,1769860800000,007,,,\n';
    const event = { eventType: 'lead.created', organizationId: 'org-1', metadata: { source: 'file' } };
    expect(await jsonOf(`\uFEFF${HEADER}${rows}`)).toEqual([
      [
        2,
        {
          ...event,
          eventId: '1',
          timestamp: '2026-01-31T12:00:00Z',
          data: { id: 'lead-1', email: 'a@example.com', score: 70 },
        },
      ],
      [3, { ...event, eventId: '2', timestamp: 1_769_860_800_000, data: { id: '007' } }],
    ]);
  });

  it('are numbered by their first lines, also behind a line break inside of quotes, in plain and packed files', async () => {
    const content = `${HEADER}1,,"a\nb",,,\r\n\r\n2,,c,,,`;
    for (const [name, bytes] of [
      ['leads.csv', content],
      ['leads.csv.gz', gzipSync(content)],
    ] as const) {
      const found = await jsonOf(bytes, reading(), name);
      expect(found.map(([offset, { eventId, data }]) => [offset, eventId, data.id])).toEqual([
        [2, '1', 'a\nb'],
        [5, '2', 'c'],
      ]);
    }
  });

  it('are never cut by a chunk, though a boundary falls inside of quotes', async () => {
    const rows = Array.from({ length: 200 }, (_, index) => `${index},,"lead\n${'\n'.repeat(index % 4)}${index}",,,`);
    const { reader, file } = await fileOf('leads.csv', `${HEADER}${rows.join('\n')}\n`, reading(), 100);
    expect(file.chunks.length).toBeGreaterThan(20);
    const byChunk = [];
    for (const { from, to } of file.chunks) byChunk.push(...textsOf(await recordsOf(reader, file, from, to)));
    expect(byChunk).toHaveLength(200);
    expect(byChunk).toEqual(textsOf(await recordsOf(reader, file)));
    expect(byChunk.map(([, text]) => JSON.parse(text).eventId)).toEqual(rows.map((_, index) => String(index)));
  });

  it('may be divided by another delimiter', async () => {
    expect(
      await jsonOf('Id;Mail\n1;"x;y"', reading({ delimiter: ';', mapping: { Id: 'eventId', Mail: 'data.email' } })),
    ).toEqual([[2, expect.objectContaining({ eventId: '1', data: { email: 'x;y' } })]]);
  });

  it('that can not be mapped keep their bytes, and say why and not what', async () => {
    const bad = [
      `1,,x,${CANARY}`,
      `2,,"${CANARY}"x,,,`,
      Buffer.concat([Buffer.from(`3,,${CANARY}`), Buffer.from([0xff]), Buffer.from(',,,')]),
    ];
    const content = Buffer.concat([HEADER, ...bad].flatMap((line) => [Buffer.from(line), Buffer.from('\n')]));
    const { reader, file } = await fileOf('leads.csv', content, reading());
    const decoder = createFileDecoder();
    // An empty line stands between header and rows.
    const records = await recordsOf(reader, file);
    const failed = await Promise.all(
      records.map(async ({ offset, value }) => ({ offset, value, decoded: await decoder.decode(value!) })),
    );
    expect(failed.map(({ offset, decoded }) => [offset, decoded.ok ? null : decoded.rejection])).toEqual([
      [3, { code: 'undecodable', detail: 'the row has 4 columns, the header line 6' }],
      [4, { code: 'undecodable', detail: 'a quote is not closed, or has text between it and the next delimiter' }],
      [5, { code: 'invalid_text', detail: 'holds bytes that are not UTF-8' }],
    ]);
    expect(failed.map(({ value }) => value!.subarray(value!.indexOf('\n') + 1))).toEqual(
      bad.map((line) => Buffer.from(line)),
    );
    expect(JSON.stringify(failed.map(({ decoded }) => decoded))).not.toContain(CANARY);
  });
});

describe('a file is refused', () => {
  it.each([
    ['without a header line', '', reading(), 'line 1 must be the header line'],
    ['that lacks a column of the mapping', `Id,${CANARY}\n1,2\n`, reading(), 'Wann, Lead, Mail, Punkte'],
    ['for a field that no event has', HEADER, reading({ constants: { 'data.shoeSize': '9' } }), 'data.shoeSize'],
    ['for a delimiter of two characters', HEADER, reading({ delimiter: '||' }), 'one character'],
  ])('%s', async (_, content, how, words) => {
    const failure = await fileOf('leads.csv', content, how).then(
      () => null,
      (error: Error) => error,
    );
    expect(failure).toMatchObject({ name: 'InvalidFileError', message: expect.stringContaining(words) });
    expect(failure!.message).not.toContain(CANARY);
  });
});
