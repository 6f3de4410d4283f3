import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFileDecoder } from '../../../adapters/files/index.ts';
import { marked } from '../../../adapters/files/problems.ts';
import { eventToJson } from '../../../domain/event-json.ts';
import { contact, lead, opportunity } from '../domain/sound.ts';

const decoder = createFileDecoder();
const decode = (text: string | Buffer) => decoder.decode(Buffer.from(text as string));
const rejected = (code: string, detail: string) => ({ ok: false, schemaId: 0, rejection: { code, detail } });

describe('events in JSON', () => {
  it.each([lead(), contact(), opportunity()])('of $eventType are those that they were made of', (event) => {
    expect(decode(JSON.stringify(eventToJson(event)))).toEqual({ ok: true, event, schemaId: 0 });
  });

  it('that are none fail with words that hold nothing of them', () => {
    expect(decode('{"email":"canary@example.com"')).toEqual(rejected('undecodable', 'not an event in JSON'));
    expect(decode('canary')).toEqual(rejected('undecodable', 'not an event in JSON'));
    expect(decode('')).toEqual(rejected('undecodable', 'not an event in JSON'));
    expect(decode(Buffer.from([0x22, 0xff, 0x22]))).toEqual(rejected('invalid_text', 'holds bytes that are not UTF-8'));
    const misspelt = { ...eventToJson(lead()), canary: 1 };
    expect(JSON.stringify(decode(JSON.stringify(misspelt)))).not.toContain('canary');
  });

  it('never make the decoder throw', () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.string().map((tail) => `!${tail}`),
      fc.constant('['.repeat(100_000)),
    );
    fc.assert(
      fc.property(text, (value) => {
        expect(decode(value)).toHaveProperty('ok');
      }),
    );
  });
});

describe('what is wrong with a line', () => {
  it('is told by its mark, from a closed list', () => {
    expect(decode(marked({ name: 'columns', numbers: [3, 15] }, Buffer.from('a,b,c')))).toEqual(
      rejected('undecodable', 'the row has 3 columns, the header line 15'),
    );
    expect(decode('!canary\nx')).toEqual(rejected('undecodable', 'not an event in JSON'));
    expect(decode('!constructor\nx')).toEqual(rejected('undecodable', 'not an event in JSON'));
  });
});
