import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { runner } from 'node-pg-migrate';
import type { DatabaseOptions } from './pool.ts';

/** The SQL files lie in the package's root, for the sources and for what is built of them. */
function migrationsFolder(): string {
  const manifest = findPackageJSON(import.meta.url);
  if (manifest === undefined) {
    throw new Error('package.json not found above the migrations: run from a complete checkout or image');
  }
  return join(dirname(manifest), 'migrations');
}

/**
 * Brings the schema to the newest version. Each file is applied once, in order and in one transaction; processes that
 * start at the same time wait for the first one.
 * @param log receives one line per step
 * @returns names of the migrations that were applied now
 */
export async function migrate(
  { url, ca }: Pick<DatabaseOptions, 'url' | 'ca'>,
  log: (line: string) => void = () => {},
): Promise<string[]> {
  const applied = await runner({
    databaseUrl: { connectionString: url, ...(ca === null ? {} : { ssl: { ca, rejectUnauthorized: true } }) },
    dir: join(migrationsFolder(), '*.sql'),
    useGlob: true,
    direction: 'up',
    migrationsTable: 'crm_migrations',
    migrationsSchema: 'public',
    advisoryLockMode: 'wait',
    checkOrder: true,
    log: () => {},
    logger: { debug: () => {}, info: log, warn: log, error: log },
  });
  return applied.map((migration) => migration.name);
}
