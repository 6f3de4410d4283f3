/** Values by JSON Schema: what fits, and what nearly does. */
import fc from 'fast-check';
import type { ApiDocument, Schema } from './hostile-document.ts';

type Resolve = ApiDocument['resolve'];

/** How deep objects go that refer to themselves. */
const DEPTH = 5;

/** Values that fit a schema, as far as the document tells. */
export function fitting(given: Schema, resolve: Resolve, depth = 0): fc.Arbitrary<unknown> {
  const schema = resolve(given);
  const go = (inner: Schema) => fitting(inner, resolve, depth + 1);
  if (depth > DEPTH) return fc.constant(null);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if ('const' in schema && schema.const !== undefined) return fc.constant(schema.const);
  const ways = schema.anyOf ?? schema.oneOf;
  if (ways !== undefined) return fc.oneof(...ways.map(go));
  if (schema.allOf !== undefined) {
    return fc.tuple(...schema.allOf.map(go)).map((parts) => Object.assign({}, ...parts));
  }
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []);
  if (types.length === 0) return fc.jsonValue({ maxDepth: 2 });
  return fc.oneof(...types.map((type) => ofType(type, schema, go)));
}

function ofType(type: string, schema: Schema, go: (inner: Schema) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({
        min: Math.max(schema.minimum ?? -(2 ** 31), -(2 ** 31)),
        max: Math.min(schema.maximum ?? 2 ** 31 - 1, 2 ** 31 - 1),
      });
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true });
    case 'array':
      return fc.array(go(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: (schema.minItems ?? 0) + 3,
      });
    case 'object':
      return objects(schema, go);
    default:
      return texts(schema);
  }
}

function objects(schema: Schema, go: (inner: Schema) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const properties = Object.entries(schema.properties ?? {}).map(([name, inner]) => [name, go(inner)] as const);
  const known = fc.record(Object.fromEntries(properties), { requiredKeys: schema.required ?? [] });
  const others = schema.additionalProperties;
  if (typeof others !== 'object') return known;
  return fc
    .tuple(known, fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), go(others), { maxKeys: 3 }))
    .map(([first, more]) => ({ ...more, ...first }));
}

const MOMENTS = fc.date({ min: new Date('1970-01-02'), max: new Date('2100-01-01'), noInvalidDate: true });

function texts({ format, pattern, minLength = 0, maxLength = 300 }: Schema): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.uuid();
  if (format === 'date') return MOMENTS.map((date) => date.toISOString().slice(0, 10));
  if (format === 'date-time') return MOMENTS.map((date) => date.toISOString());
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, 'u'), { size: 'small' });
  return fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, minLength + 20) });
}

/** Texts that mean something to SQL, JSON, a shell, a terminal, or to whoever trusts them. */
export const HOSTILE_TEXTS: readonly string[] = [
  "' OR '1'='1",
  "'; DROP TABLE analytics.crm_failed_events; --",
  '") OR 1=1 --',
  '\\',
  '%',
  '_',
  '$1',
  '{}',
  '{a,b}',
  '\0',
  'a\0b',
  '\ud800',
  '\uffff',
  '\u202e',
  '\r\nx-injected: 1',
  '../../../etc/passwd',
  'file:///etc/passwd',
  'http://127.0.0.1:1/',
  '__proto__',
  'constructor',
  '<script>alert(1)</script>',
  '${' + '7*7}',
  '1e309',
  '-1',
  '99999999999999999999',
  'NaN',
  '=1+1',
  'x'.repeat(3_000),
];

const HOSTILE_NUMBERS = [-1, 0, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, 5e-324];

export const hostileValues: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
  fc.constantFrom<unknown>(...HOSTILE_NUMBERS),
  fc.constantFrom<unknown>(null, true, [], {}, [[]], [null], { __proto__: null, valueOf: 1 }),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Values that fit but for one place, where something else stands, or a key too many. */
export function nearlyFitting(schema: Schema, resolve: Resolve): fc.Arbitrary<unknown> {
  return fc
    .tuple(fitting(schema, resolve), fc.nat(1_000), hostileValues)
    .map(([value, place, hostile]) => replaced(value, place, hostile));
}

/** The value with what stands at the place of this number, counted around, replaced. */
function replaced(value: unknown, place: number, by: unknown): unknown {
  const places = countOf(value);
  let at = place % (places + 1);
  const visit = (inner: unknown): unknown => {
    if (at === 0) {
      at -= 1;
      return by;
    }
    at -= 1;
    if (Array.isArray(inner)) return inner.map(visit);
    if (typeof inner === 'object' && inner !== null) {
      return Object.fromEntries(Object.entries(inner).map(([key, one]) => [key, visit(one)]));
    }
    return inner;
  };
  // The place behind the last one is a key that nobody knows.
  if (at === places && typeof value === 'object' && value !== null) {
    return { ...value, [typeof by === 'string' ? by : 'unknown']: by };
  }
  return visit(value);
}

function countOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + countOf(inner), 1);
}
