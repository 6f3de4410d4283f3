import avsc, { type Schema } from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Decoded } from '../../../activities/ports.ts';
import { CONTACT, contact, LEAD, lead, OPPORTUNITY, opportunity } from '../domain/sound.ts';
import {
  type AvroJson,
  decoderOf,
  encodeAs,
  framed,
  retyped,
  schemaOf,
  withDataFields,
  withFields,
  without,
} from './writer.ts';

/** What we read of a message that was written with this schema. */
async function read(schema: unknown, value: object): Promise<Decoded> {
  const decode = await decoderOf(schema);
  return decode(framed(1, encodeAs(schema, value)));
}

/** What stands in the way of reading anything that was written with this schema. */
async function obstacle(schema: unknown): Promise<string> {
  const decode = await decoderOf(schema);
  const decoded = decode(framed(1, Buffer.from('anything')));
  if (decoded.ok || decoded.rejection.code !== 'incompatible_schema') expect.fail('the schema is taken');
  return decoded.rejection.detail;
}

describe('fields that a writer leaves out', () => {
  it('are null when they are optional', async () => {
    const schema = withDataFields('leads', without('phone', 'company', 'title', 'score', 'assignedTo'));
    const nothing = { phone: null, company: null, title: null, score: null, assignedTo: null };
    expect(await read(schema, lead())).toMatchObject({ ok: true, event: lead(nothing) });
  });

  it('metadata may be left out as a whole', async () => {
    const schema = withFields(schemaOf('contacts'), without('metadata'));
    expect(await read(schema, contact())).toMatchObject({ ok: true, event: contact({}, { metadata: null }) });
  });

  it.each(['email', 'status', 'createdAt', 'organizationId'])('%s is required', async (name) => {
    expect(await obstacle(withDataFields('leads', without(name)))).toBe(
      `data.${name}: required, but not in the message's schema`,
    );
  });

  it.each(['eventId', 'timestamp', 'data'])('%s of the envelope is required', async (name) => {
    expect(await obstacle(withFields(schemaOf('leads'), without(name)))).toContain(`${name}: required`);
  });

  it('a required field that may be null is missing only where it is null', async () => {
    const schema = withDataFields('leads', retyped('email', ['string', 'null']));
    expect(await read(schema, lead())).toMatchObject({ ok: true, event: lead() });
    expect(await read(schema, lead({ email: null }))).toMatchObject({ ok: true, event: lead({ email: null }) });
  });
});

describe('fields that we do not know', () => {
  const NESTED = {
    type: 'record',
    name: 'Nested',
    fields: [
      { name: 'next', type: ['null', 'Nested'] },
      { name: 'tags', type: { type: 'map', values: { type: 'array', items: 'string' } } },
    ],
  };
  const UNKNOWN: Record<string, unknown> = {
    nothing: 'null',
    flag: 'boolean',
    whole: 'int',
    wide: 'long',
    single: 'float',
    double: 'double',
    blob: 'bytes',
    text: 'string',
    hash: { type: 'fixed', name: 'Hash', size: 16 },
    colour: { type: 'enum', name: 'Colour', symbols: ['RED', 'GREEN'] },
    list: { type: 'array', items: ['null', 'int', 'string'] },
    table: { type: 'map', values: 'double' },
    day: { type: 'int', logicalType: 'date' },
    price: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 3 },
    nested: NESTED,
    choice: ['null', { type: 'record', name: 'Choice', fields: [{ name: 'a', type: 'long' }] }],
    __proto__field: 'string',
    constructor: 'string',
  };

  it('are stepped over, of whatever type and wherever they stand', async () => {
    const names = Object.keys(UNKNOWN);
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(names), fc.array(fc.nat(), { minLength: 20 }), async (extra, places) => {
        const schema = withDataFields('leads', (fields) =>
          extra.reduce((all, name, index) => {
            const at = (places[index] ?? 0) % (all.length + 1);
            return all.toSpliced(at, 0, { name, type: UNKNOWN[name] });
          }, fields),
        );
        const random = Object.fromEntries(
          extra.map((name) => [name, avsc.Type.forSchema(structuredClone(UNKNOWN[name]) as Schema).random()]),
        );
        const event = lead();
        expect(await read(schema, { ...event, data: { ...event.data, ...random } })).toEqual({
          ok: true,
          event,
          schemaId: 1,
        });
      }),
    );
  });

  it('even one that is named like an object’s prototype', async () => {
    const schema = withFields(schemaOf('leads'), (fields) => [...fields, { name: '__proto__', type: 'string' }]);
    const bytes = Buffer.concat([encodeAs(schemaOf('leads'), lead()), Buffer.from([2, 0x78])]);
    const decode = await decoderOf(schema);
    const decoded = decode(framed(1, bytes));
    expect(decoded).toMatchObject({ ok: true, event: lead() });
    expect(Object.getPrototypeOf(decoded.ok && decoded.event)).toBe(Object.prototype);
  });
});

describe('types that a writer chose differently', () => {
  const opportunityWith = (name: string, type: unknown, value: unknown) =>
    read(withDataFields('opportunities', retyped(name, type)), {
      ...opportunity(),
      data: { ...opportunity({ amount: Buffer.from([1]) }).data, [name]: value },
    });
  const bytes = (hex: string) => Buffer.from(hex, 'hex');
  const decimal = (scale: number) => ({ type: 'bytes', logicalType: 'decimal', precision: 30, scale });
  const fixed = { type: 'fixed', name: 'Money', size: 8, logicalType: 'decimal', precision: 15, scale: 2 };

  it.each([
    ['amount of scale 4', 'amount', decimal(4), bytes('00bc614e'), '1234.5678'],
    ['amount of scale 0', 'amount', decimal(0), bytes('ff'), '-1'],
    ['amount in eight fixed bytes', 'amount', fixed, bytes('ffffffffffffff85'), '-1.23'],
    ['amount that may be null', 'amount', ['null', decimal(2)], bytes('007b'), '1.23'],
    ['time in microseconds', 'createdAt', { type: 'long', logicalType: 'timestamp-micros' }, 1_999_999, 1_999],
    ['time in microseconds before 1970', 'createdAt', { type: 'long', logicalType: 'timestamp-micros' }, -1, -1],
    ['time as a plain long', 'createdAt', 'long', 1_700_000_000_000, 1_700_000_000_000],
    ['date as a plain int', 'expectedCloseDate', 'int', 20_000, 20_000],
    ['probability as a long', 'probability', 'long', 55, 55],
    ['stage as an enum', 'stage', { type: 'enum', name: 'Stage', symbols: ['OPEN', 'WON'] }, 'WON', 'WON'],
    ['date as a long', 'expectedCloseDate', { type: 'long', logicalType: 'date' }, 20_000, 20_000],
    ['stage as a text that is called a time', 'stage', { type: 'string', logicalType: 'timestamp-millis' }, 'a', 'a'],
    ['stage as a UUID', 'stage', { type: 'string', logicalType: 'uuid' }, 'a-b', 'a-b'],
  ])('%s', async (_, name, type, written, expected) => {
    const decoded = await opportunityWith(name, type, written);
    expect(decoded).toMatchObject({ ok: true, event: { data: { [name]: expected } } });
  });

  it.each([
    ['amount as a double', 'amount', 'double'],
    ['amount as bytes without a scale', 'amount', 'bytes'],
    ['amount of an absurd scale', 'amount', decimal(1_000_000_000)],
    ['amount of a negative scale', 'amount', decimal(-2)],
    ['amount of a scale in quotes', 'amount', { ...decimal(0), scale: '2' }],
    ['time without a zone', 'createdAt', { type: 'long', logicalType: 'local-timestamp-millis' }],
    ['time in nanoseconds', 'createdAt', { type: 'long', logicalType: 'timestamp-nanos' }],
    ['time as a text', 'createdAt', { type: 'string', logicalType: 'timestamp-millis' }],
    ['time as a double', 'createdAt', { type: 'double', logicalType: 'timestamp-micros' }],
    ['date as a text', 'expectedCloseDate', { type: 'string', logicalType: 'date' }],
    ['amount as a text', 'amount', { type: 'string', logicalType: 'decimal', precision: 15, scale: 2 }],
    ['date as a time', 'expectedCloseDate', { type: 'long', logicalType: 'timestamp-millis' }],
    ['probability as a double', 'probability', 'double'],
    ['name as an int', 'name', 'int'],
  ])('%s would be a guess', async (_, name, type) => {
    expect(await obstacle(withDataFields('opportunities', retyped(name, type)))).toMatch(
      new RegExp(`^data\\.${name}: must be an? `, 'u'),
    );
  });
});

it.each([['string'], [{ type: 'map', values: 'string' }]])('metadata as %j would be a guess', async (type) => {
  expect(await obstacle(withFields(schemaOf('leads'), retyped('metadata', ['null', type])))).toBe(
    "metadata: must be a record in the message's schema",
  );
});

describe('records that a writer named differently', () => {
  const renamed = (
    role: 'leads' | 'contacts' | 'opportunities',
    name: string,
    change = (fields: AvroJson[]) => fields,
  ) => ({
    ...withFields(schemaOf(role), (fields) =>
      fields.map((field) => {
        if (field.name !== 'data') return field;
        const data = field.type as AvroJson;
        return { ...field, type: { ...data, name, fields: change(data.fields as AvroJson[]) } };
      }),
    ),
    name: 'Envelope',
    namespace: 'com.example.outbox',
  });
  const money = { amount: Buffer.from([100]) };

  it.each([
    ['by the entity’s name', renamed('leads', 'Lead'), lead(), 'lead'],
    ['in another namespace', renamed('contacts', 'com.example.CRMContact'), contact(), 'contact'],
    ['by its fields, a lead', renamed('leads', 'Prospect'), lead(), 'lead'],
    ['by its fields, a contact', renamed('contacts', 'Person'), contact(), 'contact'],
    ['by its fields, an opportunity', renamed('opportunities', 'Deal'), opportunity(money), 'opportunity'],
  ])('%s', async (_, schema, event, entity) => {
    expect(await read(schema, event)).toMatchObject({ ok: true, event: { entity } });
  });

  it('a record that is none of ours', async () => {
    expect(await obstacle(renamed('leads', 'Task', without('email')))).toBe(
      "data: none of our entities in the message's schema",
    );
  });

  it('a union may have more than we know: only events of those are refused', async () => {
    const task = { type: 'record', name: 'Task', fields: [{ name: 'due', type: 'long' }] };
    const schema = withFields(schemaOf('events'), (fields) =>
      fields.map((field) =>
        field.name === 'data' ? { ...field, type: ['null', task, ...(field.type as object[])] } : field,
      ),
    );
    const { data, ...envelope } = lead();
    expect(await read(schema, { ...envelope, data: { 'crm.events.CRMLead': data } })).toMatchObject({ ok: true });
    expect(await read(schema, { ...envelope, data: { 'crm.events.Task': { due: 1 } } })).toMatchObject({
      ok: false,
      rejection: { code: 'incompatible_schema' },
    });
    expect(await read(schema, { ...envelope, data: null })).toMatchObject({
      ok: false,
      rejection: { code: 'missing_field', detail: 'data: required, but empty' },
    });
  });
});

it.each([['string'], [{ type: 'array', items: 'string' }], [['null', 'string']]])(
  'a schema that is no record, such as %j, is incompatible',
  async (schema) => {
    expect(await obstacle(schema)).toContain('no record');
  },
);

it('the fields of a writer may come in any order', async () => {
  const cases = [
    ['leads', lead(), LEAD],
    ['contacts', contact(), CONTACT],
    ['opportunities', opportunity({ amount: Buffer.from([100]) }), { ...OPPORTUNITY, amount: '1.00' }],
  ] as const;
  for (const [role, event, data] of cases) {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { minLength: 20 }), async (ranks) => {
        const shuffled = withDataFields(role, (fields) => fields.toSorted(byRank(ranks)));
        const schema = { ...shuffled, fields: (shuffled.fields as AvroJson[]).toSorted(byRank(ranks)) };
        expect(await read(schema, event)).toMatchObject({ ok: true, event: { ...event, data } });
      }),
      { numRuns: 20 },
    );
  }
});

/** An order of fields that looks random but is the same each time. */
function byRank(ranks: readonly number[]) {
  const rank = ({ name }: AvroJson) => ranks[String(name).length % ranks.length] ?? 0;
  return (a: AvroJson, b: AvroJson) => rank(a) - rank(b);
}
