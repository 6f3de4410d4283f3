import { readFileSync } from 'node:fs';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase } from '../helpers/database.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const statements = [...readme.matchAll(/^```sql\n(.*?)^```/gms)]
  .flatMap(([, block]) => (block as string).split(';'))
  .map((statement) => statement.trim())
  .filter((statement) => statement !== '');

it('PostgreSQL takes the queries that README.md shows', async () => {
  expect(statements).not.toEqual([]);
  const { url } = await createTestDatabase();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) {
      await expect(client.query(statement), statement).resolves.toBeDefined();
    }
  } finally {
    await client.end();
  }
});
