// A fresh database for every measurement, as a copy of a prepared one.
import pg from 'pg';
import { parentOf } from './machine.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

export interface Databases {
  /** Makes a database that `fresh` copies. @param prepare fills it, given its URL */
  template(name: string, prepare: (url: string) => Promise<void>): Promise<void>;
  /** Replaces what `fresh` gave before by a new copy of the template, with everything written out to disk. */
  fresh(template: string): Promise<string>;
  /** Writes out to disk what is pending, so that nothing measured pays for what was before. */
  checkpoint(): Promise<void>;
  serverVersion(): Promise<string>;
  /** Whether the server's shared memory has huge pages; null where it does not tell, which is before PostgreSQL 17. */
  hugePages(): Promise<boolean | null>;
  /** Bytes of WAL that the server has written so far, of all databases. */
  walBytes(): Promise<number>;
  /** Process id of the server, null unless it runs on this machine. */
  serverPid(): Promise<number | null>;
  /** Drops everything that was made. */
  close(): Promise<void>;
}

/**
 * @param serverUrl of any database of the server, whose user may create databases and checkpoints
 * @param prefix of all names, for nobody else's databases to be touched
 */
export async function openDatabases(serverUrl: string, prefix: string): Promise<Databases> {
  const client = new pg.Client({ connectionString: urlOf(serverUrl, 'postgres') });
  await client.connect();
  const made = new Set<string>();
  const measured = `${prefix}_measured`;

  async function drop(name: string): Promise<void> {
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    made.delete(name);
  }

  async function create(name: string, from: string): Promise<string> {
    await drop(name);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${from}`);
    made.add(name);
    return urlOf(serverUrl, name);
  }

  const checkpoint = async () => {
    await client.query('CHECKPOINT');
  };

  return {
    async template(name, prepare) {
      await prepare(await create(`${prefix}_${name}`, 'template1'));
    },
    async fresh(template) {
      const url = await create(measured, `${prefix}_${template}`);
      await checkpoint();
      return url;
    },
    checkpoint,
    async serverVersion() {
      const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
      return rows[0]?.server_version ?? '';
    },
    async hugePages() {
      const { rows } = await client.query<{ status: string | null }>(
        "SELECT current_setting('huge_pages_status', true) AS status",
      );
      const status = rows[0]?.status ?? null;
      return status === null ? null : status === 'on';
    },
    async walBytes() {
      const { rows } = await client.query<{ bytes: string }>("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes");
      return Number(rows[0]?.bytes);
    },
    async serverPid() {
      if (!LOOPBACK.has(new URL(serverUrl).hostname)) return null;
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      return rows[0] === undefined ? null : parentOf(rows[0].pid);
    },
    async close() {
      for (const name of made) await drop(name);
      await client.end();
    },
  };
}

function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}
