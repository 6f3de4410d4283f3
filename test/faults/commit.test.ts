import { setTimeout as sleep } from 'node:timers/promises';
import { it } from 'vitest';
import { required } from '../helpers/database.ts';
import { beyondNpmTest, inForm } from '../helpers/faults/parameters.ts';
import { slowCommit, swallowCommit, untilInCommit } from '../helpers/faults/postgres-faults.ts';
import { underLoad } from '../helpers/faults/scenario.ts';
import { createTcpProxy, FORWARD, throughProxy } from '../helpers/faults/tcp-proxy.ts';

const ROUNDS = inForm({ test: 1, short: 2, long: 10 });

it.runIf(beyondNpmTest)(
  'a worker killed in the middle of a COMMIT',
  { timeout: 60_000 + 30_000 * ROUNDS },
  async () => {
    await underLoad(
      { fault: 'kill -9 of a worker in the middle of a COMMIT', workers: 1 },
      async ({ product, random, workers, inflict, killWorker, addWorker }) => {
        const commits = await slowCommit(product.pool);
        for (let round = 0; round < ROUNDS; round += 1) {
          await inflict(async () => {
            await commits.on();
            await untilInCommit(product.pool);
            await sleep(random.between(0, 900));
            await killWorker(workers[0]!);
            await commits.off();
            addWorker();
          });
        }
      },
    );
  },
);

it('a worker killed after a COMMIT, before it heard of it', { timeout: 60_000 + 30_000 * ROUNDS }, async () => {
  const proxy = await createTcpProxy(new URL(required('DATABASE_URL')).host);
  await underLoad(
    {
      fault: 'kill -9 of a worker between a COMMIT and its answer',
      workers: 1,
      envOf: ({ env }) => ({ DATABASE_URL: throughProxy(env.DATABASE_URL, proxy) }),
    },
    async ({ workers, inflict, killWorker, addWorker }) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await inflict(async () => {
          await new Promise<void>((resolve) => proxy.set(swallowCommit(resolve)));
          await killWorker(workers[0]!);
          proxy.set(FORWARD);
          addWorker();
        });
      }
    },
  );
});
