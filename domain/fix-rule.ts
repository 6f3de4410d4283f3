/**
 * One rule that mends a whole group of failed events: what is wrong in the same field of all of them is replaced,
 * removed or brought into form. Whether an event is sound then, `validate` says.
 */
import { AMOUNT, MAX_CHARACTERS } from './column-limits.ts';
import { readScalar, type Scalar } from './correction.ts';
import type { WireEvent } from './events.ts';
import { type FieldKind, kindOfField } from './field-kinds.ts';
import { ENTITY_RECORDS, METADATA_RECORD } from './schemas.ts';
import { isLongerThan } from './text.ts';

export const CASTS = ['uppercase', 'lowercase', 'trim', 'truncate', 'integer', 'number', 'timestamp'] as const;
export type Cast = (typeof CASTS)[number];

/** `field` is written as errors name it, for example `data.currency`. */
export type FixRule =
  /** `value` is in the form of a correction: times as ISO 8601, amounts as text. */
  | { field: string; op: 'replace'; value: string | number }
  | { field: string; op: 'remove' }
  | { field: string; op: 'cast'; to: Cast };

interface Fixable {
  kind: FieldKind;
  /** Most characters of a text. */
  limit: number;
}

/** By the names of the fields of `data`; each is the same for all entities. */
const LIMITS = new Map<string, number>([
  ...Object.entries(MAX_CHARACTERS),
  ['leadId', MAX_CHARACTERS.entityId],
  ['contactId', MAX_CHARACTERS.entityId],
  ['name', MAX_CHARACTERS.opportunityName],
  ['currency', 3],
]);

/**
 * Ids tell events and records apart, and one rule for many would make them the same; `organizationId` tells whose an
 * event is. They are corrected one by one.
 */
const FIELDS: ReadonlyMap<string, Fixable> = new Map([
  ['eventType', { kind: 'text', limit: MAX_CHARACTERS.eventType }],
  ['timestamp', { kind: 'time', limit: 0 }],
  ...Object.values(ENTITY_RECORDS)
    .flatMap(({ fields }) => fields)
    .filter(({ name }) => name !== 'id')
    .map(({ name, type }) => [`data.${name}`, { kind: kindOfField(type), limit: LIMITS.get(name) ?? 0 }] as const),
  ...METADATA_RECORD.fields.map(
    ({ name, type }) => [`metadata.${name}`, { kind: kindOfField(type), limit: MAX_CHARACTERS.metadata }] as const,
  ),
]);

export const FIXABLE_FIELDS: readonly string[] = [...FIELDS.keys()];

const CASTS_OF: Record<FieldKind, readonly Cast[]> = {
  text: ['uppercase', 'lowercase', 'trim', 'truncate'],
  integer: ['integer'],
  time: ['timestamp'],
  day: [],
  decimal: ['number'],
};

/** Why a rule can't be applied to any event, in words for a person; null when it can. */
export function fixProblem(fix: FixRule): string | null {
  const fixable = FIELDS.get(fix.field);
  if (fixable === undefined) return `field is none of ${FIXABLE_FIELDS.join(', ')}`;
  if (fix.op === 'replace' && readScalar(fixable.kind, fix.value) === undefined) {
    return `value is of another type than the field, which takes: ${fixable.kind}`;
  }
  const casts = CASTS_OF[fixable.kind];
  if (fix.op === 'cast' && !casts.includes(fix.to)) {
    return casts.length === 0
      ? `to: a field of the type ${fixable.kind} can't be cast, only replaced or removed`
      : `to: a field of the type ${fixable.kind} can be cast to ${casts.join(', ')}`;
  }
  return null;
}

/**
 * The event with the rule applied; the event itself where it has no such field, or a value that can't be cast.
 * @throws TypeError for a rule that `fixProblem` finds fault with
 */
export function applyFix(event: WireEvent, fix: FixRule): WireEvent {
  const fixable = FIELDS.get(fix.field);
  if (fixable === undefined) throw new TypeError('the rule names a field that can not be fixed');
  const [first, name] = fix.field.split('.') as [string, string | undefined];
  if (name === undefined) return withField(event, first, fix, fixable);
  const record: object | null = first === 'data' ? event.data : event.metadata;
  // A field that only other entities have is none of this one, also as an own property.
  const has = first === 'metadata' || ENTITY_RECORDS[event.entity].fields.some((field) => field.name === name);
  return record === null || !has ? event : { ...event, [first]: withField(record, name, fix, fixable) };
}

function withField<T extends object>(record: T, name: string, fix: FixRule, fixable: Fixable): T {
  const value = (record as Readonly<Record<string, Scalar>>)[name] ?? null;
  return { ...record, [name]: fixed(value, fix, fixable) };
}

function fixed(value: Scalar, fix: FixRule, { kind, limit }: Fixable): Scalar {
  switch (fix.op) {
    case 'replace':
      return readScalar(kind, fix.value) ?? value;
    case 'remove':
      return null;
    case 'cast':
      return cast(value, fix.to, limit);
  }
}

function cast(value: Scalar, to: Cast, limit: number): Scalar {
  if (typeof value === 'number') {
    if (to === 'integer') return Math.round(value);
    return to === 'timestamp' ? toMilliseconds(value) : value;
  }
  if (value === null) return null;
  switch (to) {
    case 'uppercase':
      return value.toUpperCase();
    case 'lowercase':
      return value.toLowerCase();
    case 'trim':
      return value.trim();
    case 'truncate':
      return isLongerThan(value, limit) ? Array.from(value).slice(0, limit).join('') : value;
    case 'number':
      return toAmount(value);
    default:
      return value;
  }
}

/** Largest times that are taken for seconds, milliseconds and microseconds: each is beyond the year 5000. */
const SECONDS_BELOW = 1e11;
const MILLISECONDS_BELOW = 1e14;
const MICROSECONDS_BELOW = 1e17;

/** A time in whatever unit its size tells. */
function toMilliseconds(time: number): number {
  const size = Math.abs(time);
  if (size < SECONDS_BELOW) return time * 1_000;
  if (size < MILLISECONDS_BELOW) return time;
  return Math.floor(size < MICROSECONDS_BELOW ? time / 1_000 : time / 1_000_000);
}

const DECIMAL = /^\s*([+-]?)(\d+)(?:[.](\d+))?\s*$/u;

/** Rounds half away from zero to the decimal places of an amount, in whole numbers, since a float would be inexact. */
function toAmount(text: string): string {
  const [, sign, whole, decimals = ''] = DECIMAL.exec(text) ?? [];
  if (whole === undefined) return text;
  const places = AMOUNT.digitsAfterPoint;
  const kept = BigInt(whole + decimals.slice(0, places).padEnd(places, '0'));
  const rounded = (kept + ((decimals[places] ?? '0') >= '5' ? 1n : 0n)).toString().padStart(places + 1, '0');
  return `${sign === '-' ? '-' : ''}${rounded.slice(0, -places)}.${rounded.slice(-places)}`;
}
