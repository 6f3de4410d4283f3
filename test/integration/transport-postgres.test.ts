import { sql } from 'slonik';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { PASSWORD, startTlsPostgres, type TlsPostgres } from '../helpers/tls-postgres.ts';
import { configWith, whatIsSaidOf } from '../helpers/tls-product.ts';

let server: TlsPostgres;
beforeAll(async () => {
  server = await startTlsPostgres();
}, 120_000);
afterAll(() => server.stop());

const WRONG_PASSWORD = 'Wrong-pass-of-analyst-9';

/** @param user with the password, where there is one */
const at = (user: string, query = '') => `postgres://${user}@${server.address}${query}`;
const analyst = (query?: string) => at(`analyst:${PASSWORD}`, query);
const trusted = () => ({ DATABASE_SSL_CA_FILE: server.authority.ca });

async function machine() {
  const { cert, key } = await server.authority.issue({ names: ['machine'], client: true });
  return { DATABASE_SSL_CERT_FILE: cert, DATABASE_SSL_KEY_FILE: key };
}

/** Whether the connection of a pool that the configuration makes is encrypted, and for whom it is. */
async function connected(env: Record<string, string>) {
  const { postgres } = await configWith(env);
  const pool = await createDatabasePool({ ...postgres, applicationName: 'crm-test-tls' });
  onTestFinished(() => pool.end());
  return pool.one(sql.unsafe`
    SELECT ssl, version IN ('TLSv1.2', 'TLSv1.3') AS current, usename AS "user"
    FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE pid = pg_backend_pid()`);
}

const ENCRYPTED = { ssl: true, current: true };

describe('connecting', () => {
  it.each([undefined, '?sslmode=verify-full', '?sslmode=verify-ca', '?sslmode=require'])(
    'checks the server with its authority and sslmode %s, and logs in by scram',
    async (mode) => {
      expect(await connected({ ...trusted(), DATABASE_URL: analyst(mode) })).toEqual({ ...ENCRYPTED, user: 'analyst' });
    },
  );

  it('shows a certificate to a server that wants one', async () => {
    const env = { ...trusted(), ...(await machine()), DATABASE_URL: at('machine') };
    expect(await connected(env)).toEqual({ ...ENCRYPTED, user: 'machine' });
  });

  it('checks nothing where it is told so', async () => {
    expect(await connected({ DATABASE_URL: analyst('?sslmode=no-verify') })).toMatchObject(ENCRYPTED);
  });
});

const UNTRUSTED = 'the certificate of PostgreSQL is signed by no authority that we trust: see DATABASE_SSL_CA_FILE';
const NOT_LET_IN =
  'PostgreSQL does not let this user in like this: see DATABASE_URL with its sslmode, DATABASE_SSL_CERT_FILE and DATABASE_SSL_KEY_FILE, and its pg_hba.conf';

type Given = () => Record<string, string> | Promise<Record<string, string>>;

async function expectSaid(env: Record<string, string>, sentence: string): Promise<void> {
  const { health, log, everything } = await whatIsSaidOf('database', env);
  expect(health).toMatchObject({ status: 'down', error: sentence });
  expect(log).toContain(`"reason":"${sentence}"`);
  for (const secret of [PASSWORD, WRONG_PASSWORD, 'PRIVATE KEY']) expect(everything).not.toContain(secret);
}

describe('what keeps us out', () => {
  it.each<[string, Given, string]>([
    [
      'public authorities for a private certificate',
      () => ({ DATABASE_URL: analyst('?sslmode=verify-full') }),
      UNTRUSTED,
    ],
    [
      'another authority',
      async () => ({ DATABASE_URL: analyst(), DATABASE_SSL_CA_FILE: (await makeAuthority()).ca }),
      UNTRUSTED,
    ],
    [
      'another host name',
      () => ({ ...trusted(), DATABASE_URL: analyst().replace('localhost', '127.0.0.1') }),
      'the certificate of PostgreSQL is for another host name than the one in DATABASE_URL',
    ],
    [
      'a wrong password',
      () => ({ ...trusted(), DATABASE_URL: at(`analyst:${WRONG_PASSWORD}`) }),
      'PostgreSQL refuses the user or password: see DATABASE_URL',
    ],
    ['no client certificate', () => ({ ...trusted(), DATABASE_URL: at('machine') }), NOT_LET_IN],
    ['no TLS', () => ({ DATABASE_URL: analyst() }), NOT_LET_IN],
    ['no TLS on purpose', () => ({ DATABASE_URL: analyst('?sslmode=disable') }), NOT_LET_IN],
    [
      'a server without TLS',
      () => ({ DATABASE_URL: `${process.env.DATABASE_URL}?sslmode=verify-full` }),
      'PostgreSQL does not speak TLS there: see DATABASE_URL',
    ],
  ])('is told in one sentence: %s', async (_name, env, sentence) => {
    await expectSaid(await env(), sentence);
  });

  it('is told in one sentence: an expired certificate, and it goes on when that is renewed', async () => {
    const env = { ...trusted(), DATABASE_URL: analyst() };
    const { issue } = server.authority;
    await server.show(await issue({ names: ['localhost'], notAfter: new Date(Date.now() - 60_000) }));
    const { health } = await vi.waitUntil(
      async () => {
        const said = await whatIsSaidOf('database', env);
        return said.health.status === 'down' ? said : null; // PostgreSQL reads its files a moment later
      },
      { timeout: 30_000 },
    );
    expect(health.error).toBe(
      'the certificate of PostgreSQL has expired: renew it there, or the authority in DATABASE_SSL_CA_FILE',
    );
    await server.show(await issue({ names: ['localhost'] }));
    await vi.waitFor(async () => expect((await whatIsSaidOf('database', env)).health.status).toBe('up'), 30_000);
  });
});
