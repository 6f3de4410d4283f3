import type { Store } from '../activities/ports.ts';
import { guarded } from '../adapters/postgres/errors.ts';
import { createDatabasePool, type DatabaseOptions, pingDatabase } from '../adapters/postgres/pool.ts';
import { createStore, type StoreOptions } from '../adapters/postgres/store.ts';
import { lazily } from '../platform/lazily.ts';

export interface LazyStore {
  store: Store;
  /** Resolves when PostgreSQL answers. */
  ping(): Promise<unknown>;
  close(): Promise<void>;
}

/** The store over a pool that is opened with its first use, so that a worker can start before PostgreSQL does. */
export function openStore(
  database: DatabaseOptions,
  { partitionInterval }: Pick<StoreOptions, 'partitionInterval'>,
): LazyStore {
  const opened = lazily(
    async () => {
      const pool = await createDatabasePool(database);
      const openLanePool = () =>
        createDatabasePool({ ...database, poolSize: 1, applicationName: `${database.applicationName}-lane` });
      return { pool, store: createStore(pool, { partitionInterval, openLanePool }) };
    },
    ({ pool }) => pool.end(),
  );
  const get = async () => (await guarded(() => opened.get())).store;
  return {
    store: {
      openLane: async (held) => (await get()).openLane(held),
      positions: {
        list: async (scope) => (await get()).positions.list(scope),
      },
      runs: {
        start: async (run) => (await get()).runs.start(run),
        finish: async (runId, outcome) => (await get()).runs.finish(runId, outcome),
      },
    },
    ping: async () => pingDatabase((await guarded(() => opened.get())).pool),
    close: () => opened.close(),
  };
}
