import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ENTITY_RECORDS } from '../../../domain/schemas.ts';
import { decoderOf, encodeAs, framed, schemaOf } from './writer.ts';

/** Any text that has a UTF-8 form. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'binary-ascii', minLength: 60, maxLength: 200 }),
);
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
/** Far beyond what a date can be: every millisecond of 140,000 years. */
const millis = fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 });
const hundredths = fc.oneof(
  fc.integer({ min: -1_000, max: 1_000 }).map(BigInt),
  fc.bigInt({ min: -(2n ** 120n), max: 2n ** 120n }),
);

const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });

const person = {
  id: text,
  firstName: text,
  lastName: text,
  email: text,
  phone: orNull(text),
  company: orNull(text),
  title: orNull(text),
};
const lifecycle = { createdAt: millis, updatedAt: millis, organizationId: text };

const envelope = fc.record({
  eventId: text,
  eventType: text,
  organizationId: text,
  timestamp: millis,
  metadata: orNull(fc.record({ source: text, version: text, correlationId: orNull(text) })),
});

const lead = fc.record({
  ...person,
  source: text,
  status: text,
  score: orNull(int),
  assignedTo: orNull(text),
  ...lifecycle,
});
const contact = fc.record({ ...person, leadId: orNull(text), ...lifecycle });
const opportunity = fc.record({
  id: text,
  name: text,
  leadId: orNull(text),
  contactId: orNull(text),
  amount: hundredths,
  currency: text,
  stage: text,
  probability: int,
  expectedCloseDate: int,
  ...lifecycle,
});

/** Two's complement, big-endian, as Avro has it for decimals. */
function twosComplement(units: bigint): Buffer {
  return Buffer.from(BigInt.asUintN(128, units).toString(16).padStart(32, '0'), 'hex');
}

/** What a number of hundredths looks like to people. */
function decimal(units: bigint): string {
  const digits = String(units < 0n ? -units : units).padStart(3, '0');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** The data as its topic's producer hands it to avsc, and as we must read it. */
const DATA = {
  lead: lead.map((data) => ({ wire: data as object, read: data as object })),
  contact: contact.map((data) => ({ wire: data as object, read: data as object })),
  opportunity: opportunity.map(({ amount, ...data }) => ({
    wire: { ...data, amount: twosComplement(amount) } as object,
    read: { ...data, amount: decimal(amount) } as object,
  })),
};

describe.each([
  ['leads', 'lead'],
  ['contacts', 'contact'],
  ['opportunities', 'opportunity'],
] as const)('whatever avsc writes into the topic for %s', (role, entity) => {
  it('is what we read', async () => {
    const decode = await decoderOf(schemaOf(role));
    fc.assert(
      fc.property(envelope, DATA[entity], (around, { wire, read }) => {
        const value = framed(1, encodeAs(schemaOf(role), { ...around, data: wire }));
        expect(decode(value)).toEqual({ ok: true, event: { ...around, entity, data: read }, schemaId: 1 });
      }),
    );
  });

  it('is the same in the topic for all events', async () => {
    const decode = await decoderOf(schemaOf('events'));
    fc.assert(
      fc.property(envelope, DATA[entity], (around, { wire, read }) => {
        const branch = `crm.events.${ENTITY_RECORDS[entity].name}`;
        const value = framed(1, encodeAs(schemaOf('events'), { ...around, data: { [branch]: wire } }));
        expect(decode(value)).toEqual({ ok: true, event: { ...around, entity, data: read }, schemaId: 1 });
      }),
    );
  });
});
