import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { ints, texts } from '../../adapters/postgres/column-fragments.ts';
import { createTestDatabase } from '../helpers/database.ts';

const MANY = 100_000;

const received = z.object({
  text: z.string(),
  nothing: z.null(),
  round: z.string(),
  sum: z.number(),
  hash: z.string(),
  expected: z.string(),
  empty: z.string(),
});

it('large parameters arrive whole, among texts, nulls and small ones, and one query after the other', async () => {
  const { pool } = await createTestDatabase();
  const numbers = Array.from({ length: MANY }, (_, index) => index);
  const names = numbers.map((number) => `name ${number} é`);
  await pool.connect(async (connection) => {
    for (const round of [1, 2, 3]) {
      const row = await connection.one(sql.type(received)`
        SELECT ${'größer'}::text AS text, ${null}::text AS nothing, ${round} AS round,
          (SELECT sum(n) FROM unnest(${ints(numbers)}) n) AS sum,
          (SELECT md5(string_agg(t, ',' ORDER BY ord)) FROM unnest(${texts(names)}) WITH ORDINALITY u(t, ord)) AS hash,
          (SELECT md5(${names.join(',')})) AS expected, ${''}::text AS empty
      `);
      expect(row).toMatchObject({ text: 'größer', nothing: null, round: String(round), empty: '' });
      expect(row.sum).toBe((MANY * (MANY - 1)) / 2);
      expect(row.hash).toBe(row.expected);
    }
  });
});

it('a query that PostgreSQL refuses after a large parameter leaves the connection usable', async () => {
  const { pool } = await createTestDatabase();
  await pool.connect(async (connection) => {
    const numbers = new Array<number>(MANY).fill(1);
    await expect(connection.query(sql.unsafe`SELECT 1 / (cardinality(${ints(numbers)}) - ${MANY})`)).rejects.toThrow();
    expect(await connection.oneFirst(sql.unsafe`SELECT 42 AS answer`)).toBe(42);
  });
});
