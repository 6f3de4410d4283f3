/** A Redis that speaks TLS alone, with a password and a user of its own for the queue. */
import { Redis } from 'ioredis';
import { probeTcp } from '../../stack/probes.ts';
import { redis } from '../../stack/servers/redis.ts';
import { type Authority, type Issued, makeAuthority } from './certificates.ts';
import { type OwnServer, ownInstance, pemFiles, startOwn } from './tls-process.ts';

/** Of `default`, whom a URL without a user means. */
export const PASSWORD = 'Pass-of-default-7';
/** Of `queue`, who may touch keys that begin with `test-`. */
export const QUEUE_PASSWORD = 'Pass-of-queue-7';

export interface TlsRedis extends OwnServer {
  authority: Authority;
  /** The certificate is for `localhost` alone. */
  address: string;
  /** Whether a client must show a certificate to whoever connects from now on. */
  demandCertificates(demand: boolean): Promise<void>;
  /** Shows another certificate to whoever connects from now on. */
  show(issued: Issued): Promise<void>;
}

export async function startTlsRedis(): Promise<TlsRedis> {
  const authority = await makeAuthority();
  const instance = await ownInstance('redis');
  const launch = await redis.prepare(instance, instance.dir);
  const current = await authority.issue({ names: ['localhost'] });
  const ours = await authority.issue({ names: ['a test'], client: true });
  const files = await pemFiles(instance.dir, { cert: current.cert, key: current.key, ca: authority.ca });
  // Of several settings of the port the last one counts: no TCP without TLS.
  const settings = [
    ...['--port', '0', '--tls-port', String(instance.ports.redis)],
    ...['--tls-cert-file', files.cert, '--tls-key-file', files.key, '--tls-ca-cert-file', files.ca],
    ...['--tls-auth-clients', 'optional', '--requirepass', PASSWORD],
    ...['--user', 'queue', 'on', `>${QUEUE_PASSWORD}`, '~test-*', '&*', '+@all', '-@dangerous', '+info'],
  ];
  const server = await startOwn(instance, { ...launch, args: [...launch.args, ...settings] }, () =>
    probeTcp('127.0.0.1', instance.ports.redis),
  );
  const boss = new Redis({
    host: 'localhost',
    port: instance.ports.redis,
    password: PASSWORD,
    tls: { ca: authority.ca, ...ours },
  });
  return {
    authority,
    address: `localhost:${instance.ports.redis}`,
    async demandCertificates(demand) {
      await boss.config('SET', 'tls-auth-clients', demand ? 'yes' : 'optional');
    },
    async show({ cert, key }) {
      const shown = await pemFiles(instance.dir, { [`cert-${Date.now()}`]: cert, [`key-${Date.now()}`]: key });
      const [certFile = '', keyFile = ''] = Object.values(shown);
      await boss.call('CONFIG', 'SET', 'tls-cert-file', certFile, 'tls-key-file', keyFile);
    },
    async stop() {
      boss.disconnect();
      await server.stop();
    },
  };
}
