/**
 * An event that a person corrected, from JSON to the form in which events come out of Kafka, so that all after this is
 * the same for both. Here only the form is checked; what the values may be, `validate` says.
 */
import { entityOf, type WireEvent } from './events.ts';
import type { FailureCode, Rejection } from './failures.ts';
import { type FieldKind, kindOfField } from './field-kinds.ts';
import { type AvroField, ENTITY_RECORDS, METADATA_RECORD } from './schemas.ts';

const DAY_MS = 86_400_000;

/** The CRMEvent of the contract. Its `id` is ours, made by the writer: one that is sent is left aside. */
const ENVELOPE_FIELDS = ['id', 'eventId', 'eventType', 'organizationId', 'timestamp', 'data', 'metadata'];

type Fields = Readonly<Record<string, unknown>>;
export type Scalar = string | number | null;

/** Ends the reading at the first problem; `correctionToWireEvent` turns it into its answer. */
class Malformed extends Error {
  readonly rejection: Rejection;
  constructor(code: FailureCode, field: string, problem: string) {
    super(problem);
    this.rejection = { code, detail: `${field}: ${problem}`, field };
  }
}

/**
 * @param json a CRMEvent: times as ISO 8601 with a zone or as epoch milliseconds, days also as YYYY-MM-DD, amounts as
 *   text or numbers, and null or nothing for what is empty
 * @returns the event, or the first field that is not in that form; like every rejection, it names no value
 */
export function correctionToWireEvent(json: unknown): WireEvent | Rejection {
  try {
    return readEvent(json);
  } catch (error) {
    if (error instanceof Malformed) return error.rejection;
    throw error;
  }
}

function readEvent(json: unknown): WireEvent {
  const event = asObject('event', json);
  refuseOthers('event', event, ENVELOPE_FIELDS);
  const eventType = readField('text', 'eventType', event.eventType) as string | null;
  if (eventType === null || eventType === '') throw new Malformed('missing_field', 'eventType', 'required, but empty');
  const entity = entityOf(eventType);
  if (entity === undefined) throw new Malformed('unknown_event_type', 'eventType', 'none of those that we know');
  if (isEmpty(event.data)) throw new Malformed('missing_field', 'data', 'required, but empty');
  return {
    eventId: readField('text', 'eventId', event.eventId),
    eventType,
    organizationId: readField('text', 'organizationId', event.organizationId),
    timestamp: readField('time', 'timestamp', event.timestamp),
    entity,
    data: readRecord('data', ENTITY_RECORDS[entity].fields, event.data),
    metadata: isEmpty(event.metadata) ? null : readRecord('metadata', METADATA_RECORD.fields, event.metadata),
    // The fields of each record are those of its schema, which `schemas.test.ts` holds against the types.
  } as WireEvent;
}

function readRecord(path: string, fields: readonly AvroField[], value: unknown): Record<string, Scalar> {
  const record = asObject(path, value);
  refuseOthers(
    path,
    record,
    fields.map(({ name }) => name),
  );
  return Object.fromEntries(
    fields.map(({ name, type }) => [name, readField(kindOfField(type), `${path}.${name}`, record[name])]),
  );
}

function readField(kind: FieldKind, field: string, value: unknown): Scalar {
  if (isEmpty(value)) return null;
  const read = READ[kind](value);
  if (read === undefined) throw new Malformed('undecodable', field, `must be ${EXPECTED[kind]}`);
  return read;
}

const EXPECTED: Record<FieldKind, string> = {
  text: 'a text',
  integer: 'a number',
  time: 'an ISO 8601 time with a zone, such as 2026-01-31T12:00:00Z, or a whole number of milliseconds since 1970',
  day: 'a day such as 2026-01-31, an ISO 8601 time with a zone, or a whole number of milliseconds since 1970',
  decimal: 'a number, or a text such as 1250.00',
};

/** A value that a person wrote as one of a kind; undefined for a value that is of another. */
export function readScalar(kind: FieldKind, value: unknown): Scalar | undefined {
  return READ[kind](value);
}

/** For each kind, how a value is read as it; undefined for a value that is of another. */
const READ: Record<FieldKind, (value: unknown) => Scalar | undefined> = {
  text: (value) => (typeof value === 'string' ? value : undefined),
  integer: (value) => (typeof value === 'number' ? value : undefined),
  time: readTime,
  day(value) {
    const time =
      typeof value === 'string' && value.length === DAY_LENGTH ? readTime(`${value}T00:00:00Z`) : readTime(value);
    return time === undefined ? undefined : Math.floor(time / DAY_MS);
  },
  decimal: (value) => (typeof value === 'string' || typeof value === 'number' ? String(value) : undefined),
};

const DAY_LENGTH = 'YYYY-MM-DD'.length;
const ISO_TIME = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(:\d\d([.]\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/u;

function readTime(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  const day = typeof value === 'string' ? ISO_TIME.exec(value)?.[1] : undefined;
  if (day === undefined) return undefined;
  const time = Date.parse(value as string);
  return Number.isNaN(time) || !isOfCalendar(day) ? undefined : time;
}

/** Date.parse takes 30 February for 2 March. */
function isOfCalendar(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}

function asObject(path: string, value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Malformed('undecodable', path, 'must be an object');
  }
  return value as Fields;
}

/** A misspelt name would be a value lost. The name itself is not repeated: it may be anything, also personal data. */
function refuseOthers(path: string, record: Fields, names: readonly string[]): void {
  if (Object.keys(record).some((name) => !names.includes(name))) {
    throw new Malformed('undecodable', path, `has a field that is none of ${names.join(', ')}`);
  }
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null;
}
