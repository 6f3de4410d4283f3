#!/usr/bin/env node
// Brings the database schema to the newest version and makes the partitions ahead. Safe to run from several places.
import { migrate } from '../adapters/postgres/migrate.ts';
import { createPartitionsAhead } from '../adapters/postgres/partitions.ts';
import { createDatabasePool } from '../adapters/postgres/pool.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { ConfigError, loadConfig } from '../platform/config.ts';

try {
  const { postgres, partitions } = loadConfig(process.env, EVENT_TYPES);
  const applied = await migrate(postgres, (line) => console.log(line));
  console.log(applied.length > 0 ? `applied ${applied.join(', ')}` : 'the schema is up to date');
  const pool = await createDatabasePool({ ...postgres, poolSize: 1, applicationName: 'crm-migrate' });
  const made = await createPartitionsAhead(pool, Date.now(), partitions.ahead, partitions.interval);
  await pool.end();
  console.log(`made ${made} partitions, up to ${partitions.ahead} ${partitions.interval}s ahead`);
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : `migration failed: ${String(error)}`);
  process.exitCode = 1;
}
