import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabasePool, DatabasePoolConnection } from 'slonik';
import type { Batch, ClaimedRange, LaneStore, Store } from '../../activities/ports.ts';
import { createDataKeys, type DataKeys } from './data-keys.ts';
import { guarded } from './errors.ts';
import { createFailedEvents } from './failed-events.ts';
import { encodeBatch, encoded } from './fresh-batch.ts';
import { neededPartitions } from './needed-partitions.ts';
import { createPartitionKeeper, type PartitionInterval, type PartitionKeeper } from './partitions.ts';
import { createPositions, moveLeases } from './positions.ts';
import { createRedrives } from './redrives.ts';
import { createRuns } from './runs.ts';
import { settle } from './settle.ts';
import { createSources } from './sources.ts';
import { createStreams } from './streams.ts';
import { answered, answeredWithin, backendPid, isBackendActive } from './unanswered.ts';
import { committedBatch, createBatchWriter } from './write-batch.ts';

export interface StoreOptions {
  partitionInterval: PartitionInterval;
  /**
   * Opens a pool of one for a lane. A lane never shares its connection: its lease names the backend, and a successor
   * ends that backend.
   */
  openLanePool: () => Promise<DatabasePool>;
  /** Without them nothing is sealed, and nothing that is sealed can be read. */
  dataKeys?: DataKeys;
}

/** Beyond the statement timeout, which PostgreSQL keeps. */
const STATEMENT_MS = 75_000;
/** Small tables, a moment each. */
const LOOK_MS = 10_000;

export function createStore(pool: DatabasePool, options: StoreOptions): Store {
  const keeper = createPartitionKeeper(options.partitionInterval);
  const { openLanePool, dataKeys = createDataKeys(null) } = options;
  return {
    openLane: (held = []) => openLane({ openLanePool, dataKeys }, keeper, held),
    encode: encodeBatch,
    positions: createPositions(pool),
    runs: createRuns(pool),
    failed: answeredWithin(STATEMENT_MS, createFailedEvents(pool, dataKeys)),
    settler: answeredWithin(STATEMENT_MS, {
      settle: (settlement) =>
        guarded(() =>
          pool.connect(async (connection) => {
            await keeper.ensure(connection, neededPartitions(settlement.deliveries.map(({ outcome }) => outcome)));
            return settle(connection, settlement, dataKeys);
          }),
        ),
    }),
    sources: createSources(pool),
    // A lane waits for these.
    streams: answeredWithin(LOOK_MS, createStreams(pool)),
    redrives: createRedrives(pool),
  };
}

async function openLane(
  { openLanePool: openPool, dataKeys }: Required<Pick<StoreOptions, 'openLanePool' | 'dataKeys'>>,
  keeper: PartitionKeeper,
  held: readonly ClaimedRange[],
): Promise<LaneStore> {
  const { connection, pid, release } = await guarded(() => holdConnection(openPool));
  const ask = <T>(work: Promise<T>) => answered(work, () => isAtWork(openPool, pid));
  if (held.length > 0) {
    try {
      await ask(moveLeases(connection, held));
    } catch (error) {
      await release();
      throw error;
    }
  }
  const writeKept = createBatchWriter(connection, dataKeys);
  const write = async (batch: Batch) => {
    await keeper.ensure(connection, encoded(batch)?.partitions ?? neededPartitions(batch.deliveries));
    return writeKept(batch);
  };
  const positions = createPositions(connection);
  return {
    positions: {
      claim: (request) => ask(positions.claim(request)),
      jump: (range, to, reason, runId) => ask(positions.jump(range, to, reason, runId)),
      reincarnate: (range, as, lease) => ask(positions.reincarnate(range, as, lease)),
      list: (scope) => ask(positions.list(scope)),
    },
    writer: {
      write: (batch) => ask(write(batch)),
      committed: (batch) => ask(committedBatch(connection, batch)),
      close: release,
    },
  };
}

/** Asks over a connection of its own, since those that are open may be as dead as the one in question. */
async function isAtWork(openPool: StoreOptions['openLanePool'], pid: number): Promise<boolean> {
  const pool = await openPool();
  try {
    return await answered(isBackendActive(pool, pid), async () => false);
  } catch {
    return false;
  } finally {
    pool.end().catch(() => {});
  }
}

/** How long a connection may take to say goodbye; one that is dead never does. */
const GOODBYE_MS = 1_000;

/** Takes a connection out of slonik's callback for the time until `release`, which closes its pool. */
async function holdConnection(openPool: StoreOptions['openLanePool']) {
  const pool = await openPool();
  const opened = Promise.withResolvers<{ connection: DatabasePoolConnection; pid: number }>();
  const released = Promise.withResolvers<void>();
  const held = pool.connect(async (connection) => {
    opened.resolve({ connection, pid: await backendPid(connection) });
    await released.promise;
  });
  held.catch(opened.reject);
  const release = async () => {
    released.resolve();
    // A connection that broke meanwhile rejects here; there is nothing left to give back.
    await Promise.race([held.catch(() => {}), sleep(GOODBYE_MS, undefined, { ref: false })]);
    await pool.end();
  };
  try {
    return { ...(await answered(opened.promise, async () => false)), release };
  } catch (error) {
    release().catch(() => {});
    throw error;
  }
}
