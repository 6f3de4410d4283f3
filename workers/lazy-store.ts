import type { AuditStore } from '../activities/audit-ports.ts';
import type { BooksKeeper } from '../activities/books-ports.ts';
import type { ErasureStore } from '../activities/erasure-ports.ts';
import type { MaintenanceRuns, MaintenanceWork } from '../activities/maintenance-ports.ts';
import type { Store } from '../activities/ports.ts';
import type { Quotas } from '../activities/quota-ports.ts';
import type { Replays } from '../activities/replay-ports.ts';
import type { SuppressionSource } from '../activities/suppression.ts';
import { createAuditStore } from '../adapters/postgres/audits.ts';
import { createBooksKeeper } from '../adapters/postgres/books-keeper.ts';
import { openDryLane } from '../adapters/postgres/dry-lane.ts';
import { createErasureStore } from '../adapters/postgres/erasures.ts';
import { guarded } from '../adapters/postgres/errors.ts';
import { encodeBatch } from '../adapters/postgres/fresh-batch.ts';
import { loadLateRules } from '../adapters/postgres/late-policies.ts';
import { createMaintenanceWork } from '../adapters/postgres/maintenance.ts';
import { createMaintenanceRuns } from '../adapters/postgres/maintenance-runs.ts';
import { createPartitionsAhead } from '../adapters/postgres/partitions.ts';
import { createDatabasePool, type DatabaseOptions, pingDatabase } from '../adapters/postgres/pool.ts';
import { createQuotas } from '../adapters/postgres/quotas.ts';
import { createReplays } from '../adapters/postgres/replays.ts';
import { createStore, type StoreOptions } from '../adapters/postgres/store.ts';
import { createSuppressionSource } from '../adapters/postgres/suppression.ts';
import type { KeepRule } from '../domain/late-data.ts';
import { forwarded, lazily } from '../platform/lazily.ts';

export interface LazyStore {
  store: Store;
  books: BooksKeeper;
  audits: AuditStore;
  replays: Replays;
  /** What people decided on late events. @throws WriteError */
  lateRules(): Promise<KeepRule[]>;
  maintenance: { work(ahead: number): MaintenanceWork; runs: MaintenanceRuns };
  suppression: SuppressionSource;
  quotas: Quotas;
  erasures: ErasureStore;
  /** Makes the partitions of so many intervals from now on. @returns how many there were to make */
  makePartitionsAhead(ahead: number): Promise<number>;
  /** Resolves when PostgreSQL answers. */
  ping(): Promise<unknown>;
  close(): Promise<void>;
}

/** The store over a pool that is opened with its first use, so that a worker can start before PostgreSQL does. */
export function openStore(
  database: DatabaseOptions,
  { partitionInterval, dataKeys }: Required<Pick<StoreOptions, 'partitionInterval' | 'dataKeys'>>,
): LazyStore {
  const opened = lazily(
    async () => {
      const pool = await createDatabasePool(database);
      const openLanePool = () =>
        createDatabasePool({ ...database, poolSize: 1, applicationName: `${database.applicationName}-lane` });
      return { pool, store: createStore(pool, { partitionInterval, openLanePool, dataKeys }) };
    },
    ({ pool }) => pool.end(),
  );
  const pool = async () => (await guarded(() => opened.get())).pool;
  const get = async () => (await guarded(() => opened.get())).store;
  return {
    store: {
      openLane: async (held) => (await get()).openLane(held),
      encode: encodeBatch,
      positions: forwarded(async () => (await get()).positions),
      runs: forwarded(async () => (await get()).runs),
      failed: forwarded(async () => (await get()).failed),
      settler: forwarded(async () => (await get()).settler),
      sources: forwarded(async () => (await get()).sources),
      streams: forwarded(async () => (await get()).streams),
      redrives: forwarded(async () => (await get()).redrives),
    },
    books: forwarded(async () => createBooksKeeper(await pool())),
    audits: forwarded(async () => createAuditStore(await pool())),
    replays: forwarded(async () => {
      const open = await pool();
      return createReplays(open, async (replayId) => openDryLane(open, replayId));
    }),
    lateRules: async () => loadLateRules(await pool()),
    maintenance: {
      work: (ahead) =>
        forwarded(async () => createMaintenanceWork(await pool(), { interval: partitionInterval, ahead })),
      runs: forwarded(async () => createMaintenanceRuns(await pool())),
    },
    suppression: forwarded(async () => createSuppressionSource(await pool())),
    quotas: forwarded(async () => createQuotas(await pool())),
    erasures: forwarded(async () => createErasureStore(await pool(), dataKeys)),
    makePartitionsAhead: async (ahead) => createPartitionsAhead(await pool(), Date.now(), ahead, partitionInterval),
    ping: async () => pingDatabase(await pool()),
    close: () => opened.close(),
  };
}
