import fc from 'fast-check';
import { sql } from 'slonik';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Column, Rows, rowsOf, SHARED_FROM } from '../../adapters/postgres/rows.ts';
import { createTestDatabase } from '../helpers/database.ts';

const DAY_MS = 86_400_000;

let database: Awaited<ReturnType<typeof createTestDatabase>>;

beforeEach(async () => {
  database = await createTestDatabase();
});

const rowsWith = (column: Column) =>
  rowsOf({ ord: { type: 'int', values: column.values.map((_, ord) => ord) }, u: column });

/** What PostgreSQL makes of a column, value by value as text. */
const readBack = (column: Column): Promise<readonly unknown[]> =>
  database.pool.anyFirst(sql.unsafe`SELECT u::text FROM ${rowsWith(column)} c ORDER BY ord`);

const nullable = <Value>(values: fc.Arbitrary<Value>) => fc.array(fc.option(values), { maxLength: 40 });
const holds = async <Value>(values: fc.Arbitrary<Value[]>, check: (column: Value[]) => Promise<void>) =>
  fc.assert(fc.asyncProperty(values, check), { numRuns: 100 });

// PostgreSQL stores neither NUL nor lone surrogates; validation keeps them out.
const storable = fc.string({ unit: 'grapheme-composite', maxLength: 90 }).map((text) => text.replaceAll('\0', ''));
const tricky = fc.constantFrom(
  '',
  'NULL',
  '{}',
  '"',
  '\\',
  '\\"',
  ',',
  ' ',
  '\n',
  'é',
  'a😀',
  'x'.repeat(48),
  'ü'.repeat(49),
);

/** A number of units of 10^-scale. */
function decimal(units: bigint, scale: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${units < 0n ? '-' : ''}${digits.slice(0, point)}${scale === 0 ? '' : `.${digits.slice(point)}`}`;
}

describe('columns as PostgreSQL reads them', () => {
  it('texts', () =>
    holds(nullable(fc.oneof(storable, tricky)), async (column) => {
      expect(await readBack({ type: 'text', values: column })).toEqual(column);
    }));

  it('a text longer than all that came before', async () => {
    const column = ['x'.repeat(3_000_000), 'é'.repeat(1_500_000), null, 'y'];
    expect(await readBack({ type: 'text', values: column })).toEqual(column);
  });

  it('JSON', () =>
    holds(nullable(fc.record({ a: storable, b: fc.integer() })), async (column) => {
      const values = column.map((value) => (value === null ? null : JSON.stringify(value)));
      const read = await readBack({ type: 'jsonb', values });
      expect(read.map((text) => (text === null ? null : JSON.parse(String(text))))).toEqual(column);
    }));

  it('numbers of 32 bits', () =>
    holds(nullable(fc.integer()), async (column) => {
      expect(await readBack({ type: 'int', values: column })).toEqual(column.map((value) => value?.toString() ?? null));
    }));

  it('numbers of 64 bits', () =>
    holds(nullable(fc.oneof(fc.maxSafeInteger(), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n))), async (column) => {
      expect(await readBack({ type: 'bigint', values: column })).toEqual(
        column.map((value) => value?.toString() ?? null),
      );
    }));

  it('instants from the year 1 to 9999', () =>
    holds(
      nullable(fc.integer({ min: Date.parse('0001-01-01T00:00:00Z'), max: Date.parse('9999-12-31T23:59:59.999Z') })),
      async (column) => {
        const read = await database.pool.anyFirst(sql.unsafe`
        SELECT (extract(epoch FROM u) * 1000)::numeric::bigint::text
        FROM ${rowsWith({ type: 'instant', values: column })} c ORDER BY ord
      `);
        expect(read).toEqual(column.map((value) => value?.toString() ?? null));
      },
    ));

  it('days', () =>
    holds(nullable(fc.integer({ min: -719_162, max: 2_932_896 })), async (column) => {
      const days = column.map((day) => (day === null ? null : new Date(day * DAY_MS).toISOString().slice(0, 10)));
      expect(await readBack({ type: 'date', values: column })).toEqual(days);
    }));

  it('new UUIDs of version 4, no two alike', async () => {
    const read = await readBack({ type: 'uuid', values: new Array(1_000).fill(null) });
    expect(new Set(read).size).toBe(1000);
    for (const uuid of read) {
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  it('decimals, as exact as they were written', () =>
    holds(nullable(fc.tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.nat(12))), async (column) => {
      const values = column.map((value) => (value === null ? null : decimal(...value)));
      expect(await readBack({ type: 'numeric', values })).toEqual(values);
    }));

  it('decimals with zeros that say nothing, as PostgreSQL writes them', async () => {
    const values = ['0', '-0.00', '007', '00000.5', '10000', '9999999999999.99', '0.0000000001', '-12345678.90'];
    const read = ['0', '0.00', '7', '0.5', '10000', '9999999999999.99', '0.0000000001', '-12345678.90'];
    expect(await readBack({ type: 'numeric', values })).toEqual(read);
  });

  it('no values', async () => {
    const types = ['text', 'int', 'bigint', 'instant', 'jsonb', 'date', 'numeric'] as const;
    for (const type of types) expect(await readBack({ type, values: [] })).toEqual([]);
    expect(await readBack({ type: 'uuid', values: [] })).toEqual([]);
  });

  it.each(['text', 'numeric'] as const)('a value of %s that many rows share', async (type) => {
    for (const value of ['12.30', null]) {
      const values = Array.from({ length: SHARED_FROM }, () => value);
      const { values: sent } = rowsOf({ u: { type, values } });
      expect((sent[0] as Buffer).length).toBeLessThan(SHARED_FROM);
      expect(await readBack({ type, values })).toEqual(values);
    }
  });

  it('the same rows piece by piece, also when the bytes before them are written over', () =>
    holds(fc.array(nullable(fc.oneof(fc.constantFrom('a', 'b'), storable)), { maxLength: 6 }), async (pieces) => {
      const all = pieces.flat();
      const rows = new Rows();
      rows.add({ ord: { type: 'int', values: [] }, u: { type: 'text', values: [] } });
      let ord = 0;
      for (const values of pieces) {
        rows.add({ ord: { type: 'int', values: values.map(() => ord++) }, u: { type: 'text', values } });
      }
      const read = await database.pool.anyFirst(sql.unsafe`SELECT u FROM ${rows.end()} c ORDER BY ord`);
      expect(read).toEqual(all);
      rows.release();
    }));

  it.each([
    ['never', ['a', 'a', 'a'], true],
    ['in the end', ['a', 'a', 'b'], false],
    ['at the beginning', ['b', 'a', 'a'], false],
  ])('a value that all pieces share until it is another one: %s', async (_, each, isShared) => {
    const pieces = each.map((value) => Array.from({ length: SHARED_FROM }, () => value));
    const rows = new Rows();
    let ord = 0;
    for (const values of pieces) {
      rows.add({ ord: { type: 'int', values: values.map(() => ord++) }, u: { type: 'text', values } });
    }
    const fragment = rows.end();
    expect((fragment.values[1] as Buffer).length < SHARED_FROM).toBe(isShared);
    expect(await database.pool.anyFirst(sql.unsafe`SELECT u FROM ${fragment} c ORDER BY ord`)).toEqual(pieces.flat());
  });

  it.each(['a"', 'a b', '', 'a1', 'A'])('no column by the name %j', (name) => {
    expect(() => rowsOf({ [name]: { type: 'int', values: [1] } })).toThrow(TypeError);
  });

  it('the same text for all batches that are small', () => {
    const rowsFor = (values: string[]) => rowsOf({ u: { type: 'text', values } }).sql;
    const [few, alike] = [rowsFor(['a', 'b']), rowsFor(Array.from({ length: SHARED_FROM - 1 }, () => 'a'))];
    expect(alike).toBe(few);
    expect(rowsFor(Array.from({ length: SHARED_FROM }, () => 'a'))).not.toBe(few);
  });
});
