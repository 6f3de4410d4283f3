import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openLimiters } from '../../adapters/rate-limits/limiters.ts';
import { openRetryQueue } from '../../adapters/retries/queue.ts';
import { openRetryWorker } from '../../adapters/retries/worker.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { configWith, whatIsSaidOf } from '../helpers/tls-product.ts';
import { PASSWORD, QUEUE_PASSWORD, startTlsRedis, type TlsRedis } from '../helpers/tls-redis.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';

let server: TlsRedis;
beforeAll(async () => {
  server = await startTlsRedis();
}, 120_000);
afterAll(() => server.stop());
afterEach(() => server.demandCertificates(false));

const WRONG_PASSWORD = 'Wrong-pass-of-queue-9';

const at = (login: string, scheme = 'rediss') => ({ REDIS_URL: `${scheme}://${login}@${server.address}` });
const trusted = () => ({ REDIS_TLS_CA_FILE: server.authority.ca });

async function certified() {
  const { cert, key } = await server.authority.issue({ names: ['worker'], client: true });
  return { REDIS_TLS_CERT_FILE: cert, REDIS_TLS_KEY_FILE: key };
}

/** Sends a job through the queue and waits until a worker has done it. */
async function jobDone(env: Record<string, string>): Promise<number> {
  const { redis, retries } = await configWith(env);
  const options = { ...redis, ...retries.queue, keepJobsSeconds: 60 };
  const logger = recordingLogger();
  const queue = openRetryQueue(options, logger);
  onTestFinished(() => queue.close());
  const done = Promise.withResolvers<number>();
  const worker = openRetryWorker(
    { ...options, concurrency: 1, ratePerSecond: 100 },
    {
      retry: async ({ failedId }) => done.resolve(failedId),
      enqueue: () => Promise.reject(new Error('nobody asked for that')),
      onTrouble: () => {},
    },
    logger,
  );
  onTestFinished(() => worker.close(1_000));
  await queue.addDue([{ failedId: 7, attempts: 1, dueAt: Date.now() }]);
  return done.promise;
}

describe('the queue and its worker', () => {
  it('work over TLS with a password', async () => {
    expect(await jobDone({ ...trusted(), ...at(`:${PASSWORD}`) })).toBe(7);
  });

  it('work as a user with few rights', async () => {
    expect(await jobDone({ ...trusted(), ...at(`queue:${QUEUE_PASSWORD}`) })).toBe(7);
  });

  it('show a certificate to a Redis that wants one', async () => {
    await server.demandCertificates(true);
    expect(await jobDone({ ...trusted(), ...(await certified()), ...at(`:${PASSWORD}`) })).toBe(7);
  });
});

describe('rate limits', () => {
  it('are counted over TLS as the same user', async () => {
    const { redis, retries } = await configWith({ ...trusted(), ...at(`queue:${QUEUE_PASSWORD}`) });
    const logger = recordingLogger();
    const options = { ...redis, prefix: retries.queue.prefix, secret: randomBytes(32) };
    // What one process takes is missing in the other only if both ask Redis.
    const left = async ({ shared }: typeof one) => (await shared('tests', 100).take('somebody')).remaining;
    const [one, other] = [openLimiters(options, logger), openLimiters(options, logger)];
    onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => {}));
    await vi.waitFor(async () => {
      const before = await left(one);
      expect(await left(other)).toBe(before - 1);
    }, 20_000);
  });
});

const UNTRUSTED = 'the certificate of Redis is signed by no authority that we trust: see REDIS_TLS_CA_FILE';
const WRONG_LOGIN = 'Redis refuses the user or password: see REDIS_URL';

type Given = () => Record<string, string> | Promise<Record<string, string>>;

describe('what keeps us out', () => {
  it.each<[string, Given, string]>([
    ['public authorities for a private certificate', () => at(`:${PASSWORD}`), UNTRUSTED],
    [
      'another authority',
      async () => ({ ...at(`:${PASSWORD}`), REDIS_TLS_CA_FILE: (await makeAuthority()).ca }),
      UNTRUSTED,
    ],
    [
      'another host name',
      () => ({ ...trusted(), REDIS_URL: at(`:${PASSWORD}`).REDIS_URL.replace('localhost', '127.0.0.1') }),
      'the certificate of Redis is for another host name than the one in REDIS_URL',
    ],
    ['a wrong password', () => ({ ...trusted(), ...at(`:${WRONG_PASSWORD}`) }), WRONG_LOGIN],
    ['a wrong password of a user', () => ({ ...trusted(), ...at(`queue:${WRONG_PASSWORD}`) }), WRONG_LOGIN],
    [
      'no password',
      () => ({ ...trusted(), REDIS_URL: `rediss://${server.address}` }),
      'Redis wants a password: see REDIS_URL',
    ],
    [
      'an expired certificate',
      async () => {
        const { issue } = server.authority;
        await server.show(await issue({ names: ['localhost'], notAfter: new Date(Date.now() - 60_000) }));
        onTestFinished(async () => server.show(await issue({ names: ['localhost'] })));
        return { ...trusted(), ...at(`:${PASSWORD}`) };
      },
      'the certificate of Redis has expired: renew it there, or the authority in REDIS_TLS_CA_FILE',
    ],
  ])('is told in one sentence: %s', async (_name, env, sentence) => {
    const { health, log, everything } = await whatIsSaidOf('redis', await env());
    expect(health).toMatchObject({ status: 'down', error: sentence });
    expect(log).toContain(`"reason":"${sentence}"`);
    for (const secret of [PASSWORD, WRONG_PASSWORD, 'PRIVATE KEY']) expect(everything).not.toContain(secret);
  });

  it('is told in one sentence: no client certificate', async () => {
    await server.demandCertificates(true);
    const { health, log } = await whatIsSaidOf('redis', { ...trusted(), ...at(`:${PASSWORD}`) });
    // Redis hangs up at once: whether its alert can still be read is a matter of luck.
    const sentence =
      /^Redis (?:does not accept our client certificate, or misses one|closes the connection without an answer): .*REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE$/u;
    expect(health).toMatchObject({ status: 'down', error: expect.stringMatching(sentence) });
    expect(log).toContain('REDIS_TLS_CERT_FILE');
  });

  it('does not end the process, whenever it is left', async () => {
    const { redis, retries } = await configWith(at(`:${PASSWORD}`));
    const uncaught: unknown[] = [];
    const note = (error: unknown) => uncaught.push(error);
    process.on('uncaughtException', note);
    onTestFinished(() => {
      process.off('uncaughtException', note);
    });
    // A handshake takes a few milliseconds: some of these are left in the middle of theirs.
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const queue = openRetryQueue({ ...redis, ...retries.queue, keepJobsSeconds: 60 }, recordingLogger());
        await delay(index);
        await queue.close();
      }),
    );
    await delay(500);
    expect(uncaught).toEqual([]);
  });

  it('is told by the worker that waits for Redis, once', async () => {
    const { redis, retries } = await configWith({ ...trusted(), ...at(`queue:${WRONG_PASSWORD}`) });
    const logger = recordingLogger();
    const nothing = { retry: async () => {}, enqueue: () => Promise.reject(new Error()), onTrouble: () => {} };
    const options = { ...redis, ...retries.queue, concurrency: 1, ratePerSecond: 1 };
    const worker = openRetryWorker({ ...options, name: randomUUID() }, nothing, logger);
    onTestFinished(() => worker.close(1_000));
    await expect.poll(() => logger.lines.map(({ fields }) => fields.reason)).toEqual([WRONG_LOGIN]);
  });
});
