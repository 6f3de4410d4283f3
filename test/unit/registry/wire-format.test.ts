import { describe, expect, it } from 'vitest';
import type { Decoded } from '../../../activities/ports.ts';
import { contact, lead, opportunity } from '../domain/sound.ts';
import { decoderOf, encodeAs, framed, schemaOf, withFields } from './writer.ts';

const LEADS = schemaOf('leads');
const EVENTS = schemaOf('events');

function codeOf(decoded: Decoded): string {
  return decoded.ok ? 'ok' : decoded.rejection.code;
}

describe('the frame', () => {
  const sound = framed(1, encodeAs(LEADS, lead()));

  it.each<[string, Buffer, string, number | null]>([
    ['no bytes', Buffer.alloc(0), 'empty_message', null],
    ['JSON', Buffer.from('{"eventId":"1"}'), 'bad_magic_byte', null],
    ['another magic byte', Buffer.concat([Buffer.from([1]), sound.subarray(1)]), 'bad_magic_byte', null],
    ['a magic byte alone', Buffer.from([0]), 'undecodable', null],
    ['half a schema id', sound.subarray(0, 4), 'undecodable', null],
    ['a header alone', sound.subarray(0, 5), 'undecodable', 1],
    ['schema id 0', framed(0, encodeAs(LEADS, lead())), 'undecodable', 0],
    ['a negative schema id', framed(-1, encodeAs(LEADS, lead())), 'undecodable', -1],
    ['a byte missing', sound.subarray(0, -1), 'undecodable', 1],
    ['a byte more', Buffer.concat([sound, Buffer.alloc(1)]), 'undecodable', 1],
  ])('%s', async (_, value, code, schemaId) => {
    const decode = await decoderOf(LEADS);
    const decoded = decode(value);
    expect([codeOf(decoded), decoded.schemaId]).toEqual([code, schemaId]);
  });
});

describe('every field arrives', () => {
  // What avsc writes of the logical types without our code.
  const amount = (hundredths: number) => Buffer.from([hundredths >> 8, hundredths & 0xff]);
  const sold = opportunity({ amount: '12.34' });
  const onWire = { ...sold, data: { ...sold.data, amount: amount(1234) } };

  it.each([
    ['leads', lead(), lead()],
    ['contacts', contact(), contact()],
    ['opportunities', onWire, sold],
  ] as const)('of the topic for %s', async (role, wire, expected) => {
    const decode = await decoderOf(schemaOf(role));
    expect(decode(framed(1, encodeAs(schemaOf(role), wire)))).toEqual({ ok: true, event: expected, schemaId: 1 });
  });

  it.each([
    ['CRMLead', lead(), lead()],
    ['CRMContact', contact(), contact()],
    ['CRMOpportunity', onWire, sold],
  ])('of the topic for all events, with a %s', async (name, wire, expected) => {
    const decode = await decoderOf(EVENTS);
    const value = encodeAs(EVENTS, { ...wire, data: { [`crm.events.${name}`]: wire.data } });
    expect(decode(framed(1, value))).toEqual({ ok: true, event: expected, schemaId: 1 });
  });

  it('times far away and negative numbers too', async () => {
    const event = lead({ score: -2_147_483_648, createdAt: -62_167_219_200_000, updatedAt: 253_402_300_799_999 });
    const decode = await decoderOf(LEADS);
    expect(decode(framed(1, encodeAs(LEADS, event)))).toMatchObject({ ok: true, event });
  });
});

describe('text that is not UTF-8', () => {
  const HOLE = 'HOLE';

  async function received(bytes: number[]): Promise<Decoded> {
    const decode = await decoderOf(LEADS);
    const value = framed(1, encodeAs(LEADS, lead({ lastName: HOLE.repeat(bytes.length) })));
    const at = value.indexOf(HOLE);
    const filler = HOLE.length * bytes.length - bytes.length;
    Buffer.from([...bytes, ...Buffer.from('x'.repeat(filler))]).copy(value, at);
    return decode(value);
  }

  it.each([
    ['a stray continuation byte', [0x80]],
    ['a character cut off', [0xc3]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['half a surrogate pair', [0xed, 0xa0, 0xbe]],
    ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['Latin-1', [0x4d, 0xfc, 0x6c]],
    ['U+FFFD beside a stray byte', [0xef, 0xbf, 0xbd, 0xff]],
  ])('%s is refused, naming the field', async (_, bytes) => {
    expect(await received(bytes)).toMatchObject({
      ok: false,
      rejection: { code: 'invalid_text', detail: 'data.lastName: holds bytes that are not UTF-8' },
    });
  });

  it('a U+FFFD that the source really sent is a character like any other', async () => {
    expect(await received([0xef, 0xbf, 0xbd])).toMatchObject({ ok: true });
  });
});

describe('messages have nothing to do with each other', () => {
  const task = { type: 'record', name: 'Task', fields: [{ name: 'due', type: 'long' }] };
  const withTask = withFields(EVENTS, (fields) =>
    fields.map((field) => (field.name === 'data' ? { ...field, type: [...(field.type as object[]), task] } : field)),
  );
  const ofTask = encodeAs(withTask, { ...lead(), data: { 'crm.events.Task': { due: 1 } } });
  const spoilt = framed(1, encodeAs(LEADS, lead({ email: 'HOLE' })));
  spoilt.fill(0xff, spoilt.indexOf('HOLE'), spoilt.indexOf('HOLE') + 4);

  it.each([
    ['text that is not UTF-8', 'invalid_text', spoilt],
    ['data that is none of ours', 'incompatible_schema', framed(2, ofTask)],
    ['an end too early', 'undecodable', spoilt.subarray(0, -1)],
  ])('a sound one is read after %s', async (_, code, unsound) => {
    const decode = await decoderOf(LEADS, withTask);
    const sound = framed(1, encodeAs(LEADS, lead()));
    expect([unsound, sound, unsound].map(decode).map(codeOf)).toEqual([code, 'ok', code]);
  });

  it('an event keeps its data when the next is read', async () => {
    const decode = await decoderOf(LEADS);
    const [first, second] = [lead(), lead({ email: 'other@example.com' }, { metadata: null })];
    const decoded = [first, second].map((event) => decode(framed(1, encodeAs(LEADS, event))));
    expect(decoded).toMatchObject([{ event: first }, { event: second }]);
  });
});
