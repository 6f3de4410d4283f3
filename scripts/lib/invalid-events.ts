/** Ways to spoil a sound event, each with the failure that the pipeline must find. */
import type { CRMLead, CRMOpportunity, Entity } from '../../domain/events.ts';
import type { FailureCode } from '../../domain/failures.ts';
import type { SoundEvent } from './story.ts';

export type Encode = (event: SoundEvent) => Buffer;

export interface InvalidMaker {
  name: string;
  /** What the event must be rejected as. */
  code: FailureCode;
  /** What the event to spoil must be about. */
  entity: Entity;
  /** Its messages are beyond what Kafka takes by default: the topic needs a higher `max.message.bytes`. */
  oversized: boolean;
  /** The spoilt event as a Kafka value. */
  make(event: SoundEvent, encode: Encode): Buffer;
}

const YEAR_0 = Date.parse('0000-06-01T00:00:00Z');
const YEAR_9999 = Date.parse('9999-06-01T00:00:00Z');
const LONG_AGO = Date.UTC(2001, 0, 1);
const UNREGISTERED_SCHEMA_ID = 2_000_000_000;
const HUGE_TEXT_CHARACTERS = 5_000_000;

/** Stands where bytes are put that no encoder would write. */
const PLACEHOLDER = 'PLACEHOLDER-OF-BYTES';

function maker(
  name: string,
  code: FailureCode,
  make: InvalidMaker['make'],
  { entity = 'lead', oversized = false }: Partial<Pick<InvalidMaker, 'entity' | 'oversized'>> = {},
): InvalidMaker {
  return { name, code, entity, oversized, make };
}

function withBytes(name: string, code: FailureCode, spoil: (value: Buffer) => Buffer): InvalidMaker {
  return maker(name, code, (event, encode) => spoil(encode(event)));
}

function withEnvelope(name: string, code: FailureCode, changes: object): InvalidMaker {
  return maker(name, code, (event, encode) => encode({ ...event, ...changes }));
}

function withLead(name: string, code: FailureCode, changes: Partial<CRMLead>, oversized = false): InvalidMaker {
  return maker(name, code, (event, encode) => encode(changeData(event, changes)), { oversized });
}

function withOpportunity(name: string, code: FailureCode, changes: Partial<CRMOpportunity>): InvalidMaker {
  return maker(name, code, (event, encode) => encode(changeData(event, changes)), { entity: 'opportunity' });
}

function changeData(event: SoundEvent, changes: object): SoundEvent {
  return { ...event, data: { ...event.data, ...changes } } as SoundEvent;
}

function withFirstByte(value: Buffer, byte: number): Buffer {
  value.writeUInt8(byte, 0);
  return value;
}

function withSchemaId(value: Buffer, id: number): Buffer {
  value.writeInt32BE(id, 1);
  return value;
}

function invalidUtf8(event: SoundEvent, encode: Encode): Buffer {
  const value = encode(changeData(event, { lastName: PLACEHOLDER }));
  // The first byte of a character of two, without the second.
  value.writeUInt8(0xc3, value.indexOf(PLACEHOLDER));
  return value;
}

export const INVALID_MAKERS: readonly InvalidMaker[] = [
  withBytes('zero-length value', 'empty_message', () => Buffer.alloc(0)),
  withBytes('bad magic byte', 'bad_magic_byte', (value) => withFirstByte(value, 1)),
  withBytes('unknown schema id', 'unknown_schema', (value) => withSchemaId(value, UNREGISTERED_SCHEMA_ID)),
  withBytes('truncated Avro', 'undecodable', (value) => value.subarray(0, -20)),
  withBytes('trailing bytes', 'undecodable', (value) => Buffer.concat([value, Buffer.from('more')])),
  withEnvelope('unknown event type', 'unknown_event_type', { eventType: 'lead.vanished' }),
  withEnvelope('data of another entity', 'entity_mismatch', { eventType: 'contact.created' }),
  withEnvelope('empty event id', 'missing_field', { eventId: '' }),
  withLead('empty required field', 'missing_field', { firstName: '' }),
  withLead('300 characters', 'too_long', { company: 'ü'.repeat(300) }),
  withLead('text of 5 MB', 'too_long', { company: 'x'.repeat(HUGE_TEXT_CHARACTERS) }, true),
  withLead('NUL character', 'invalid_text', { lastName: 'before\u0000after' }),
  maker('invalid UTF-8', 'invalid_text', invalidUtf8),
  withEnvelope('event time in year 0', 'implausible_timestamp', { timestamp: YEAR_0 }),
  withEnvelope('event time in year 9999', 'implausible_timestamp', { timestamp: YEAR_9999 }),
  withLead('created in year 0', 'out_of_range', { createdAt: YEAR_0 }),
  withLead('updated in year 9999', 'out_of_range', { updatedAt: YEAR_9999 }),
  withOpportunity('amount beyond DECIMAL(15,2)', 'out_of_range', { amount: '99999999999999.00' }),
  withOpportunity('negative amount beyond DECIMAL(15,2)', 'out_of_range', { amount: '-99999999999999.00' }),
  withOpportunity('probability of 101', 'out_of_range', { probability: 101 }),
  withOpportunity('currency that is no code', 'out_of_range', { currency: 'E1R' }),
  withLead('data of another organization', 'organization_mismatch', { organizationId: 'org-of-somebody-else' }),
  withEnvelope('event before the window for late events', 'outside_retention', { timestamp: LONG_AGO }),
];
