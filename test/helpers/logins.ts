/**
 * What the product's processes log in as in tests: no more than their roles. Both belong to the test cluster, and tests
 * look at its databases as the superuser.
 */
import pg from 'pg';
import { serverUrl } from './database.ts';

const ROLES = { crm_test_worker: ['crm_ingest', 'crm_maintain'], crm_test_api: ['crm_api'] } as const;

/** Makes them where they are missing; the roles come with the first migrated database. */
export async function makeLogins(): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl() });
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock(hashtext('crm_test_logins'))");
    for (const [login, roles] of Object.entries(ROLES)) {
      const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [login]);
      if (rowCount === 0) await client.query(`CREATE ROLE ${login} LOGIN`);
      await client.query(`GRANT ${roles.join(', ')} TO ${login}`);
    }
  } finally {
    await client.end();
  }
}

/** The URL of a database for one of them. */
export function as(login: keyof typeof ROLES, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.username = login;
  url.password = '';
  return url.href;
}
