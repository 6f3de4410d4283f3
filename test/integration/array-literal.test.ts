import fc from 'fast-check';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { textArray } from '../../adapters/postgres/array-literal.ts';
import { createTestDatabase } from '../helpers/database.ts';

it('PostgreSQL reads back whatever texts went into an array literal', async () => {
  const { pool } = await createTestDatabase();
  // PostgreSQL stores neither NUL nor lone surrogates; validation keeps them out.
  const storable = fc.string({ unit: 'grapheme-composite' }).map((text) => text.replaceAll('\0', ''));
  const tricky = fc.constantFrom('', 'NULL', '{}', '"', '\\', '\\"', ',', ' ', '\n', 'a"b\\c', '{"a",NULL}');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(fc.oneof(storable, tricky))), async (texts) => {
      const read = await pool.anyFirst(sql.unsafe`SELECT * FROM unnest(${textArray(texts)}::text[])`);
      expect(read).toEqual(texts);
    }),
    { numRuns: 200 },
  );
});
