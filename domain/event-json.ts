/** An event as people see and send it: the CRMEvent of the contract in JSON, times as ISO 8601. */
import type { WireEvent } from './events.ts';
import { type FieldKind, kindOfField } from './field-kinds.ts';
import { type AvroField, ENTITY_RECORDS, METADATA_RECORD } from './schemas.ts';

export type JsonRecord = { [field: string]: string | number | null };

/** Days of a `date` are shown as YYYY-MM-DD, amounts as exact text. */
export interface EventJson {
  eventId: string | null;
  eventType: string | null;
  organizationId: string | null;
  timestamp: string | null;
  data: JsonRecord;
  metadata: JsonRecord | null;
}

const DAY_MS = 86_400_000;

/** What a calendar can't hold is shown as the number it is, with its unit, and is not read back. */
export function eventToJson({
  eventId,
  eventType,
  organizationId,
  timestamp,
  entity,
  data,
  metadata,
}: WireEvent): EventJson {
  return {
    eventId,
    eventType,
    organizationId,
    timestamp: timestamp === null ? null : isoTime(timestamp),
    data: recordToJson(ENTITY_RECORDS[entity].fields, data),
    metadata: metadata === null ? null : recordToJson(METADATA_RECORD.fields, metadata),
  };
}

function recordToJson(fields: readonly AvroField[], record: object): JsonRecord {
  const values = record as Readonly<JsonRecord>;
  return Object.fromEntries(fields.map(({ name, type }) => [name, toJson(kindOfField(type), values[name] ?? null)]));
}

function toJson(kind: FieldKind, value: string | number | null): string | number | null {
  if (typeof value !== 'number') return value;
  if (kind === 'time') return isoTime(value);
  return kind === 'day' ? isoDay(value) : value;
}

function isoTime(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? `${time} ms` : date.toISOString();
}

function isoDay(day: number): string {
  const date = new Date(day * DAY_MS);
  return Number.isNaN(date.getTime()) ? `${day} days` : (date.toISOString().split('T')[0] as string);
}
