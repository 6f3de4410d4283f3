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
      positions: forwarded(async () => (await get()).positions),
      runs: forwarded(async () => (await get()).runs),
      failed: forwarded(async () => (await get()).failed),
      settler: forwarded(async () => (await get()).settler),
      sources: forwarded(async () => (await get()).sources),
      streams: forwarded(async () => (await get()).streams),
      redrives: forwarded(async () => (await get()).redrives),
    },
    ping: async () => pingDatabase((await guarded(() => opened.get())).pool),
    close: () => opened.close(),
  };
}

type AsyncMethods = { [name: string]: (...args: never[]) => Promise<unknown> };

/** Calls each method on what `get` resolves to; every method of the store's rooms gives a promise anyway. */
function forwarded<T extends object>(get: () => Promise<T>): T {
  const methods = new Proxy({} as AsyncMethods, {
    get:
      (_, name: string) =>
      async (...args: never[]) =>
        ((await get()) as AsyncMethods)[name]?.(...args),
  });
  return methods as T;
}
