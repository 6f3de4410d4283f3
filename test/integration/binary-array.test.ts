import fc from 'fast-check';
import { type FragmentSqlToken, sql } from 'slonik';
import { beforeEach, describe, expect, it } from 'vitest';
import { bigints, dates, instants, ints, jsonbs, newUuids, texts } from '../../adapters/postgres/column-fragments.ts';
import { createTestDatabase } from '../helpers/database.ts';

const DAY_MS = 86_400_000;

let database: Awaited<ReturnType<typeof createTestDatabase>>;

beforeEach(async () => {
  database = await createTestDatabase();
});

/** What PostgreSQL makes of a column, value by value as text. */
const readBack = (column: FragmentSqlToken): Promise<readonly unknown[]> =>
  database.pool.anyFirst(sql.unsafe`SELECT u::text FROM unnest(${column}) WITH ORDINALITY AS c(u, ord) ORDER BY ord`);

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

describe('columns as PostgreSQL reads them', () => {
  it('texts', () =>
    holds(nullable(fc.oneof(storable, tricky)), async (column) => {
      expect(await readBack(texts(column))).toEqual(column);
    }));

  it('a text longer than all that came before', async () => {
    const column = ['x'.repeat(3_000_000), 'é'.repeat(1_500_000), null, 'y'];
    expect(await readBack(texts(column))).toEqual(column);
  });

  it('JSON', () =>
    holds(nullable(fc.record({ a: storable, b: fc.integer() })), async (column) => {
      const read = await readBack(jsonbs(column.map((value) => (value === null ? null : JSON.stringify(value)))));
      expect(read.map((text) => (text === null ? null : JSON.parse(String(text))))).toEqual(column);
    }));

  it('numbers of 32 bits', () =>
    holds(nullable(fc.integer()), async (column) => {
      expect(await readBack(ints(column))).toEqual(column.map((value) => value?.toString() ?? null));
    }));

  it('numbers of 64 bits', () =>
    holds(nullable(fc.oneof(fc.maxSafeInteger(), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n))), async (column) => {
      expect(await readBack(bigints(column))).toEqual(column.map((value) => value?.toString() ?? null));
    }));

  it('instants from the year 1 to 9999', () =>
    holds(
      nullable(fc.integer({ min: Date.parse('0001-01-01T00:00:00Z'), max: Date.parse('9999-12-31T23:59:59.999Z') })),
      async (column) => {
        const read = await database.pool.anyFirst(sql.unsafe`
        SELECT (extract(epoch FROM u) * 1000)::numeric::bigint::text
        FROM unnest(${instants(column)}) WITH ORDINALITY AS c(u, ord) ORDER BY ord
      `);
        expect(read).toEqual(column.map((value) => value?.toString() ?? null));
      },
    ));

  it('days', () =>
    holds(nullable(fc.integer({ min: -719_162, max: 2_932_896 })), async (column) => {
      const days = column.map((day) => (day === null ? null : new Date(day * DAY_MS).toISOString().slice(0, 10)));
      expect(await readBack(dates(column))).toEqual(days);
    }));

  it('new UUIDs of version 4, no two alike', async () => {
    const read = await readBack(newUuids(1000));
    expect(new Set(read).size).toBe(1000);
    for (const uuid of read) {
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  it('no values', async () => {
    for (const column of [texts([]), ints([]), bigints([]), instants([]), jsonbs([]), dates([]), newUuids(0)]) {
      expect(await readBack(column)).toEqual([]);
    }
  });
});
