import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAILURES } from '../../../domain/failures.ts';
import { isRejection, validate } from '../../../domain/validate.ts';
import { CONTEXT, contact, lead, opportunity, RECORDED } from '../domain/sound.ts';
import { type AvroJson, decoderOf, encodeAs, framed, retyped, schemaOf, withDataFields, withFields } from './writer.ts';

const NESTED = {
  type: 'record',
  name: 'Nested',
  fields: [{ name: 'next', type: ['null', 'Nested'] }],
};
const ENDLESS = { type: 'record', name: 'Endless', fields: [{ name: 'next', type: 'Endless' }] };

/** A lead's schema that ends with a field of this type, which we don't read. */
function endingWith(type: unknown) {
  return withFields(schemaOf('leads'), (fields) => [...fields, { name: 'extra', type }]);
}

/** A sound lead, and these bytes as the last field. */
async function decodeEnding(type: unknown, bytes: number[]) {
  const decode = await decoderOf(endingWith(type));
  return decode(framed(1, Buffer.concat([encodeAs(schemaOf('leads'), lead()), Buffer.from(bytes)])));
}

// Zigzag varints.
const MINUS_ONE = [0x01];
const ZERO = [0x00];
const ONE = [0x02];
const THOUSAND_MILLION = [0x80, 0xa8, 0xd6, 0xb9, 0x07];
const TWO_TO_THE_62 = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
const ELEVEN_BYTES = [...Array<number>(10).fill(0x80), 0x01];

describe('counts and lengths that the bytes only claim', () => {
  it.each<[string, unknown, number[]]>([
    ['a text of a thousand million bytes', 'string', THOUSAND_MILLION],
    ['a text of 2^62 bytes', 'string', TWO_TO_THE_62],
    ['a text of -1 bytes', 'string', MINUS_ONE],
    ['bytes of a negative length', 'bytes', MINUS_ONE],
    ['a length of eleven bytes', 'string', ELEVEN_BYTES],
    ['2^62 nulls', { type: 'array', items: 'null' }, TWO_TO_THE_62],
    ['a thousand million texts', { type: 'array', items: 'string' }, THOUSAND_MILLION],
    ['an array of -1 items that are -1 bytes', { type: 'array', items: 'null' }, [...MINUS_ONE, ...MINUS_ONE, ...ZERO]],
    ['an array that never ends', { type: 'array', items: 'null' }, ONE],
    ['a map of 2^62 entries', { type: 'map', values: 'null' }, TWO_TO_THE_62],
    ['a map with a key of -1 bytes', { type: 'map', values: 'null' }, [...ONE, ...MINUS_ONE]],
    ['a branch that the union does not have', ['null', 'string'], [0x04]],
    ['branch -1', ['null', 'string'], MINUS_ONE],
    ['branch 2^62', ['null', 'string'], TWO_TO_THE_62],
    ['records nested without end', NESTED, Array<number>(5_000).fill(0x02)],
    ['a record that contains itself', ENDLESS, []],
    ['a double cut off', 'double', [0, 0, 0, 0]],
    ['nothing where a boolean should be', 'boolean', []],
  ])('%s are undecodable, at once', async (_, type, bytes) => {
    expect(await decodeEnding(type, bytes)).toMatchObject({ ok: false, rejection: { code: 'undecodable' } });
  });

  it('a symbol that the enum does not have is undecodable', async () => {
    const status = (...symbols: string[]) =>
      withDataFields('leads', retyped('status', { type: 'enum', name: 'Status', symbols }));
    const decode = await decoderOf(status('NEW', 'WON'));
    const value = (symbol: string) => framed(1, encodeAs(status('NEW', 'WON', 'LOST'), lead({ status: symbol })));
    expect(decode(value('WON'))).toMatchObject({ ok: true, event: { data: { status: 'WON' } } });
    expect(decode(value('LOST'))).toMatchObject({ ok: false, rejection: { code: 'undecodable' } });
  });

  it('what is sound among them is not', async () => {
    const blocks = [...MINUS_ONE, 0x04, 0xff, 0xff, ...ONE, 0x02, 0x78, ...ZERO];
    expect(await decodeEnding({ type: 'array', items: 'string' }, blocks)).toMatchObject({ ok: true });
    expect(await decodeEnding(NESTED, [0x02, 0x02, 0x02, 0x00])).toMatchObject({ ok: true });
  });
});

describe('a branch that our unions do not have', () => {
  const NOTHING = { type: 'record', name: 'Nothing', fields: [] };
  const withNothing = (name: string) => (fields: AvroJson[]) =>
    fields.map((field) => (field.name === name ? { ...field, type: [...(field.type as object[]), NOTHING] } : field));
  const nothing = { 'crm.events.Nothing': {} };

  // Each is written with a branch of no bytes, so that all the rest of the message is sound.
  it.each([
    ['of a field', 'leads', withDataFields('leads', withNothing('phone')), { ...lead({ phone: nothing }) }],
    [
      'of the metadata',
      'leads',
      withFields(schemaOf('leads'), withNothing('metadata')),
      { ...lead(), metadata: nothing },
    ],
    ['of the data', 'events', withFields(schemaOf('events'), withNothing('data')), { ...lead(), data: nothing }],
  ] as const)('%s is undecodable', async (_, role, schema, value) => {
    const decode = await decoderOf(schemaOf(role));
    expect(decode(framed(1, encodeAs(schema, value)))).toMatchObject({
      ok: false,
      rejection: { code: 'undecodable' },
    });
  });
});

const ROLES = ['leads', 'contacts', 'opportunities', 'events'] as const;
const MONEY = { amount: Buffer.from('0098967f', 'hex') };
const WITH_EVERYTHING = endingWith({
  type: 'array',
  items: { type: 'map', values: ['null', 'string', NESTED, { type: 'fixed', name: 'Four', size: 4 }] },
});
const EXTRA = [{ a: null, b: 'text', c: { next: { next: null } } }, {}];

async function targets() {
  const decode = await decoderOf(...ROLES.map(schemaOf), WITH_EVERYTHING);
  const values = [
    framed(1, encodeAs(schemaOf('leads'), lead())),
    framed(2, encodeAs(schemaOf('contacts'), contact())),
    framed(3, encodeAs(schemaOf('opportunities'), opportunity(MONEY))),
    framed(4, encodeAs(schemaOf('events'), { ...lead(), data: { 'crm.events.CRMLead': lead().data } })),
    framed(5, encodeAs(WITH_EVERYTHING, { ...lead(), extra: EXTRA })),
  ];

  /** The code of the failure or `ok`; anything thrown fails the test. */
  const outcome = (value: Buffer): string => {
    const decoded = decode(value);
    if (!decoded.ok) return decoded.rejection.code;
    const checked = validate(decoded.event, RECORDED, CONTEXT);
    return isRejection(checked) ? checked.code : 'ok';
  };
  return { values, outcome };
}

const OUTCOMES = ['ok', ...Object.keys(FAILURES)];

describe('spoilt bytes never do more than be refused', () => {
  it('the values that are spoilt are sound', async () => {
    const { values, outcome } = await targets();
    expect(values.map(outcome)).toEqual(values.map(() => 'ok'));
  });

  it('cut off anywhere', async () => {
    const { values, outcome } = await targets();
    for (const value of values) {
      for (let length = 5; length < value.length; length += 1) {
        expect(outcome(value.subarray(0, length))).toBe('undecodable');
      }
    }
  });

  it('with bytes after the end', async () => {
    const { values, outcome } = await targets();
    fc.assert(
      fc.property(fc.constantFrom(...values), fc.uint8Array({ minLength: 1 }), (value, more) => {
        expect(outcome(Buffer.concat([value, more]))).toBe('undecodable');
      }),
    );
  });

  it('with any bit flipped', async () => {
    const { values, outcome } = await targets();
    for (const value of values) {
      for (let bit = 40; bit < value.length * 8; bit += 1) {
        const spoilt = Buffer.from(value);
        spoilt.writeUInt8(spoilt.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        expect(OUTCOMES).toContain(outcome(spoilt));
      }
    }
  });

  it('with a stretch replaced', async () => {
    const { values, outcome } = await targets();
    fc.assert(
      fc.property(
        fc.constantFrom(...values),
        fc.nat(),
        fc.nat(8),
        fc.uint8Array({ maxLength: 12 }),
        (value, at, cut, put) => {
          const start = 5 + (at % (value.length - 5));
          const spoilt = Buffer.concat([value.subarray(0, start), put, value.subarray(start + cut)]);
          expect(OUTCOMES).toContain(outcome(spoilt));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('random from the first byte on', async () => {
    const { outcome } = await targets();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.uint8Array({ maxLength: 400 }), (id, bytes) => {
        expect(OUTCOMES).toContain(outcome(framed(id, Buffer.from(bytes))));
      }),
      { numRuns: 5_000 },
    );
  });
});
