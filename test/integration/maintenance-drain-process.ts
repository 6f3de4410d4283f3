/** Drains the database of a URL, for a test that kills it on the way. */
import { createMaintenanceWork } from '../../adapters/postgres/maintenance.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';

const [url = ''] = process.argv.slice(2);
const pool = await createDatabasePool({ url, ca: null, poolSize: 1, applicationName: 'crm-test-drain' });
const work = createMaintenanceWork(pool, { interval: 'day', ahead: 2 });
process.stdout.write('begins\n');
await work.drain({
  dryRun: false,
  maintenanceWindow: false,
  signal: new AbortController().signal,
  progress: () => {},
});
await pool.end();
