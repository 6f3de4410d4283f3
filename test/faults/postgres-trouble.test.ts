import { setTimeout as sleep } from 'node:timers/promises';
import { it } from 'vitest';
import { required } from '../helpers/database.ts';
import { beyondNpmTest, inForm } from '../helpers/faults/parameters.ts';
import { diskFull, swallowCommit } from '../helpers/faults/postgres-faults.ts';
import { underLoad } from '../helpers/faults/scenario.ts';
import { createTcpProxy, FORWARD, type TcpProxy, throughProxy } from '../helpers/faults/tcp-proxy.ts';

const ROUNDS = inForm({ test: 1, short: 1, long: 5 });
const TIMEOUT = { timeout: 90_000 + 60_000 * ROUNDS };

/** A product whose way to PostgreSQL leads through a proxy, which is in trouble again and again. */
async function withTrouble(fault: string, trouble: (proxy: TcpProxy) => Promise<void>): Promise<void> {
  const proxy = await createTcpProxy(new URL(required('DATABASE_URL')).host);
  await underLoad(
    { fault, envOf: ({ env }) => ({ DATABASE_URL: throughProxy(env.DATABASE_URL, proxy) }) },
    async ({ inflict }) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await inflict(() => trouble(proxy));
      }
    },
  );
}

it('a PostgreSQL whose disk is full', TIMEOUT, async () => {
  await underLoad({ fault: 'PostgreSQL has no disk space (53100) for 5 s' }, async ({ product, inflict }) => {
    const full = await diskFull(product.pool);
    for (let round = 0; round < ROUNDS; round += 1) {
      await inflict(async () => {
        await full.on();
        await sleep(5_000);
        await full.off();
      });
    }
  });
});

it('a PostgreSQL that never answers a COMMIT', TIMEOUT, async () => {
  await withTrouble('PostgreSQL never answers a COMMIT', async (proxy) => {
    await new Promise<void>((resolve) => proxy.set(swallowCommit(resolve)));
    proxy.set(FORWARD);
  });
});

it.runIf(beyondNpmTest)('connections to PostgreSQL that are cut', TIMEOUT, async () => {
  await withTrouble('all connections to PostgreSQL cut, five times', async (proxy) => {
    for (let time = 0; time < 5; time += 1) {
      proxy.cut();
      await sleep(300);
    }
  });
});

it.runIf(beyondNpmTest)('connections to PostgreSQL that are half-open', TIMEOUT, async () => {
  await withTrouble('all connections to PostgreSQL half-open', async (proxy) => {
    proxy.set({ is: 'silent' });
    await sleep(3_000);
    proxy.set(FORWARD);
  });
});

it.runIf(beyondNpmTest)('a slow way to PostgreSQL', TIMEOUT, async () => {
  await withTrouble('latency of 100 ms each way to PostgreSQL for 5 s', async (proxy) => {
    proxy.set({ is: 'latency', ms: 100 });
    await sleep(5_000);
    proxy.set(FORWARD);
  });
});
