import { setTimeout as sleep } from 'node:timers/promises';
import { it } from 'vitest';
import { required } from '../helpers/database.ts';
import { beyondNpmTest, inForm } from '../helpers/faults/parameters.ts';
import { underLoad } from '../helpers/faults/scenario.ts';
import { createTcpProxy, FORWARD, throughProxy } from '../helpers/faults/tcp-proxy.ts';

// Kafka has no proxy here: its brokers tell their clients where to connect to.

const ROUNDS = inForm({ test: 1, short: 1, long: 5 });
const TIMEOUT = { timeout: 90_000 + 60_000 * ROUNDS };
const run = it.runIf(beyondNpmTest);

run('connections to Temporal that are cut or half-open', TIMEOUT, async () => {
  const proxy = await createTcpProxy(required('TEMPORAL_ADDRESS'));
  await underLoad(
    { fault: 'connections to Temporal cut, then half-open', env: { TEMPORAL_ADDRESS: proxy.address } },
    async ({ inflict }) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await inflict(async () => proxy.cut());
        await inflict(async () => {
          proxy.set({ is: 'silent' });
          await sleep(3_000);
          proxy.set(FORWARD);
        });
      }
    },
  );
});

run('connections to the registry that are half-open', TIMEOUT, async () => {
  const proxy = await createTcpProxy(new URL(required('SCHEMA_REGISTRY_URL')).host);
  await underLoad(
    {
      fault: 'connections to the registry half-open',
      env: { SCHEMA_REGISTRY_URL: throughProxy(required('SCHEMA_REGISTRY_URL'), proxy) },
    },
    async ({ inflict, workers, killWorker, addWorker }) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await inflict(async () => {
          proxy.set({ is: 'silent' });
          // A new worker has to ask for every schema.
          await killWorker(workers[0]!);
          addWorker();
          await sleep(8_000);
          proxy.set(FORWARD);
        });
      }
    },
  );
});
