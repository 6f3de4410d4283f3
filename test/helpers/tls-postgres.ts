/** A PostgreSQL that lets people in over TLS alone, with a password or with a certificate. */
import { chmod, chown, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { sql } from 'slonik';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { probePostgres } from '../../stack/probes.ts';
import { postgres } from '../../stack/servers/postgres.ts';
import { type Authority, type Issued, makeAuthority } from './certificates.ts';
import { type OwnServer, ownInstance, startOwn } from './tls-process.ts';

/** Of the user `analyst`, who logs in by scram-sha-256. */
export const PASSWORD = 'Pass-of-analyst-7';

export interface TlsPostgres extends OwnServer {
  authority: Authority;
  /** Without user and query; the certificate is for `localhost` alone. */
  address: string;
  /** Shows another certificate to whoever connects from now on. */
  show(issued: Issued): Promise<void>;
}

/** `postgres` is for setting things up, `analyst` has a password, `machine` shows a certificate. */
const ACCESS = [
  'host    all postgres 127.0.0.1/32 trust',
  'hostssl all analyst  127.0.0.1/32 scram-sha-256',
  'hostssl all machine  127.0.0.1/32 cert',
];

export async function startTlsPostgres(): Promise<TlsPostgres> {
  const authority = await makeAuthority();
  const instance = await ownInstance('postgres');
  const launch = await postgres.prepare(instance, instance.dir);
  const { uid, gid } = await stat(launch.cwd);
  const place = async (name: string, content: string) => {
    const file = path.join(launch.cwd, name);
    await writeFile(file, content);
    await chown(file, uid, gid);
    // PostgreSQL refuses a key that others can read.
    await chmod(file, 0o600);
    return file;
  };
  const placeCertificate = async ({ cert, key }: Issued) => ({
    ssl_cert_file: await place('server.crt', cert),
    ssl_key_file: await place('server.key', key),
  });
  const settings = {
    ssl: 'on',
    ...(await placeCertificate(await authority.issue({ names: ['localhost'] }))),
    ssl_ca_file: await place('ca.crt', authority.ca),
    hba_file: await place('access.conf', `${ACCESS.join('\n')}\n`),
    shared_buffers: '16MB',
  };
  const args = [...launch.args, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const host = `127.0.0.1:${instance.ports.postgres}`;
  const set = `postgres://postgres@${host}/crm`;
  const server = await startOwn(instance, { ...launch, args }, () => probePostgres(set));
  const pool = await createDatabasePool({ url: set, ca: null, poolSize: 1, applicationName: 'crm-test-tls' });
  await pool.query(sql.unsafe`CREATE ROLE analyst LOGIN PASSWORD ${sql.literalValue(PASSWORD)}`);
  await pool.query(sql.unsafe`CREATE ROLE machine LOGIN`);
  return {
    authority,
    address: `localhost:${instance.ports.postgres}/crm`,
    async show(issued) {
      await placeCertificate(issued);
      await pool.query(sql.unsafe`SELECT pg_reload_conf()`);
    },
    async stop() {
      await pool.end();
      await server.stop();
    },
  };
}
