import pg from 'pg';
import type { DatabasePool } from 'slonik';
import { onTestFinished } from 'vitest';
import { migrate } from '../../adapters/postgres/migrate.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';

const TEMPLATE = 'crm_test_template';
let count = 0;

/** Where the test servers are; the global setup fills it in. */
export function serverUrl(database = 'postgres'): string {
  const url = new URL(required('DATABASE_URL'));
  url.pathname = `/${database}`;
  return url.href;
}

/** @throws Error that says how to get the variable set */
export function required(variable: string): string {
  const value = process.env[variable];
  if (value === undefined) {
    throw new Error(`${variable} is not set: run the tests through npm test, whose global setup starts the servers`);
  }
  return value;
}

async function asAdmin(statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl() });
  await client.connect();
  try {
    for (const statement of statements) {
      await client.query(statement);
    }
  } finally {
    await client.end();
  }
}

/** Migrated once; every test database is a copy of it, which takes some 50 ms. */
export async function makeTemplateDatabase(): Promise<void> {
  await asAdmin([`DROP DATABASE IF EXISTS ${TEMPLATE} WITH (FORCE)`, `CREATE DATABASE ${TEMPLATE}`]);
  await migrate({ url: serverUrl(TEMPLATE), ca: null });
}

/** An empty database of this name; it goes when the test does. */
export async function createEmptyDatabase(name: string): Promise<string> {
  await asAdmin([`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`, `CREATE DATABASE ${name}`]);
  onTestFinished(() => asAdmin([`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`]));
  return serverUrl(name);
}

/** A migrated database for one test alone. */
export async function createTestDatabase(): Promise<{ url: string; pool: DatabasePool }> {
  count += 1;
  const name = `crm_test_${process.pid}_${count}`;
  await asAdmin([`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`]);
  const url = serverUrl(name);
  const pool = await createDatabasePool({ url, ca: null, poolSize: 10, applicationName: 'crm-test' });
  onTestFinished(async () => {
    await pool.end();
    await asAdmin([`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`]);
  });
  return { url, pool };
}
