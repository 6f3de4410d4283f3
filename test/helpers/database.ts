import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DatabasePool } from 'slonik';
import { onTestFinished } from 'vitest';
import { migrate } from '../../adapters/postgres/migrate.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';

let count = 0;

function migrationsHash(): string {
  const hash = createHash('sha256');
  for (const file of globSync('migrations/*.sql').toSorted()) {
    hash.update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 12);
}

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

async function connected<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: serverUrl() });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function asAdmin(statements: string[]): Promise<void> {
  return connected(async (client) => {
    for (const statement of statements) {
      await client.query(statement);
    }
  });
}

/**
 * Migrated once; every test database is a copy of it, which takes some 50 ms.
 * @returns its name: by what it holds, which is also the months that the migrations begin with, so that test runs side by
 *   side share it and none takes it from another
 */
export async function makeTemplateDatabase(): Promise<string> {
  const month = new Date().toISOString().slice(0, 7).replace('-', '');
  const template = `crm_test_template_${migrationsHash()}_${month}`;
  await connected(async (client) => {
    await client.query("SELECT pg_advisory_lock(hashtext('crm_test_template'))");
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [template]);
    if (rowCount !== 0) {
      return;
    }
    // Under another name until it is complete: a run that dies half-way must not leave a half template behind.
    await client.query(`DROP DATABASE IF EXISTS ${template}_making WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${template}_making`);
    await migrate({ url: serverUrl(`${template}_making`), ca: null });
    await client.query(`ALTER DATABASE ${template}_making RENAME TO ${template}`);
  });
  return template;
}

/** Gives clients that are just closing a moment: one whose connection is taken away would fail the run. */
async function dropQuietly(name: string): Promise<void> {
  for (let tries = 0; tries < 20; tries += 1) {
    try {
      await asAdmin([`DROP DATABASE IF EXISTS ${name}`]);
      return;
    } catch {
      await sleep(100);
    }
  }
  await asAdmin([`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`]);
}

/** An empty database of this name; it goes when the test does. */
export async function createEmptyDatabase(name: string): Promise<string> {
  await asAdmin([`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`, `CREATE DATABASE ${name}`]);
  onTestFinished(() => dropQuietly(name));
  return serverUrl(name);
}

/** A migrated database for one test alone. */
export async function createTestDatabase(): Promise<{ url: string; pool: DatabasePool }> {
  count += 1;
  const name = `crm_test_${process.pid}_${count}`;
  await asAdmin([
    `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`,
    `CREATE DATABASE ${name} TEMPLATE ${required('CRM_TEST_TEMPLATE')}`,
  ]);
  const url = serverUrl(name);
  const pool = await createDatabasePool({ url, ca: null, poolSize: 10, applicationName: 'crm-test' });
  onTestFinished(async () => {
    await pool.end();
    await asAdmin([`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`]);
  });
  return { url, pool };
}
