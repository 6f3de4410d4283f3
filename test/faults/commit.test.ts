import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { it } from 'vitest';
import { required } from '../helpers/database.ts';
import { beyondNpmTest, inForm } from '../helpers/faults/parameters.ts';
import { ownerInCommit, slowCommit, swallowCommit } from '../helpers/faults/postgres-faults.ts';
import { underLoad } from '../helpers/faults/scenario.ts';
import { createTcpProxy, FORWARD, type TcpProxy, throughProxy } from '../helpers/faults/tcp-proxy.ts';

const ROUNDS = inForm({ test: 1, short: 2, long: 10 });
const WORKERS = 2;

it.runIf(beyondNpmTest)(
  'a worker killed in the middle of a COMMIT',
  {
    timeout: 60_000 + 30_000 * ROUNDS,
  },
  async () => {
    await underLoad(
      { fault: 'kill -9 of a worker in the middle of a COMMIT', workers: WORKERS },
      async ({ product, random, workers, inflict, killWorker, addWorker }) => {
        const commits = await slowCommit(product.pool);
        for (let round = 0; round < ROUNDS; round += 1) {
          await inflict(async () => {
            await commits.on();
            const owner = await ownerInCommit(product.pool);
            await sleep(random.between(0, 900));
            await killWorker(workers.find(({ pid }) => owner.includes(`:${pid}/`))!);
            await commits.off();
            addWorker();
          });
        }
      },
    );
  },
);

it('a worker killed after a COMMIT, before it heard of it', { timeout: 60_000 + 30_000 * ROUNDS }, async () => {
  const postgres = new URL(required('DATABASE_URL')).host;
  // One for each worker that will ever be started, so that a swallowed answer tells whose it was.
  const proxies = await Promise.all(Array.from({ length: WORKERS + ROUNDS }, () => createTcpProxy(postgres)));
  const unused = proxies.values();
  await underLoad(
    {
      fault: 'kill -9 of a worker between a COMMIT and its answer',
      workers: WORKERS,
      envOf: ({ env }) => ({ DATABASE_URL: throughProxy(env.DATABASE_URL, unused.next().value!) }),
    },
    async ({ workers, inflict, killWorker, addWorker }) => {
      const started = [...workers];
      const workerOf = (proxy: TcpProxy): ChildProcess => started[proxies.indexOf(proxy)]!;
      for (let round = 0; round < ROUNDS; round += 1) {
        await inflict(async () => {
          const swallower = await new Promise<TcpProxy>((resolve) => {
            for (const proxy of proxies) proxy.set(swallowCommit(() => resolve(proxy)));
          });
          await killWorker(workerOf(swallower));
          for (const proxy of proxies) proxy.set(FORWARD);
          started.push(addWorker());
        });
      }
    },
  );
});
