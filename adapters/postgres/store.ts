import type { DatabasePool, DatabasePoolConnection } from 'slonik';
import type { BatchWriter, ClaimedRange, Delivery, LaneStore, Store } from '../../activities/ports.ts';
import type { Entity } from '../../domain/events.ts';
import { logTimestamp } from './batch-columns.ts';
import { guarded } from './errors.ts';
import { createFailedEvents } from './failed-events.ts';
import { createPartitionKeeper, dayOf, type PartitionInterval, type PartitionKeeper } from './partitions.ts';
import { createPositions, moveLeases } from './positions.ts';
import { createRuns } from './runs.ts';
import { settle } from './settle.ts';
import { createSources } from './sources.ts';
import { createStreams } from './streams.ts';
import { committedBatch, writeBatch } from './write-batch.ts';

export interface StoreOptions {
  partitionInterval: PartitionInterval;
  /**
   * Opens a pool of one for a lane. A lane never shares its connection: its lease names the backend, and a successor
   * ends that backend.
   */
  openLanePool: () => Promise<DatabasePool>;
}

export function createStore(pool: DatabasePool, options: StoreOptions): Store {
  const keeper = createPartitionKeeper(options.partitionInterval);
  return {
    openLane: async (held = []) => openLane(await guarded(options.openLanePool), keeper, held),
    positions: createPositions(pool),
    runs: createRuns(pool),
    failed: createFailedEvents(pool),
    settler: {
      settle: (settlement) =>
        guarded(() =>
          pool.connect(async (connection) => {
            await keeper.ensure(connection, neededPartitions(settlement.deliveries.map(({ outcome }) => outcome)));
            return settle(connection, settlement);
          }),
        ),
    },
    sources: createSources(pool),
    streams: createStreams(pool),
  };
}

async function openLane(
  pool: DatabasePool,
  keeper: PartitionKeeper,
  held: readonly ClaimedRange[],
): Promise<LaneStore> {
  const { connection, release } = await guarded(() => holdConnection(pool));
  if (held.length > 0) {
    try {
      await moveLeases(connection, held);
    } catch (error) {
      await release();
      throw error;
    }
  }
  const writer: BatchWriter = {
    write: async (batch) => {
      await keeper.ensure(connection, neededPartitions(batch.deliveries));
      return writeBatch(connection, batch);
    },
    committed: (batch) => committedBatch(connection, batch),
    close: release,
  };
  return { positions: createPositions(connection), writer };
}

/** Takes the connection out of slonik's callback for the time until `release`, which closes the pool. */
async function holdConnection(
  pool: DatabasePool,
): Promise<{ connection: DatabasePoolConnection; release: () => Promise<void> }> {
  const opened = Promise.withResolvers<DatabasePoolConnection>();
  const released = Promise.withResolvers<void>();
  const held = pool.connect(async (connection) => {
    opened.resolve(connection);
    await released.promise;
  });
  held.catch(opened.reject);
  const connection = await opened.promise;
  return {
    connection,
    release: async () => {
      released.resolve();
      // A connection that broke meanwhile rejects here; there is nothing left to give back.
      await held.catch(() => {});
      await pool.end();
    },
  };
}

function neededPartitions(deliveries: readonly Delivery[]): Map<Entity | 'log', Set<number>> {
  const needed = new Map<Entity | 'log', Set<number>>([
    ['lead', new Set()],
    ['contact', new Set()],
    ['opportunity', new Set()],
    ['log', new Set()],
  ]);
  for (const delivery of deliveries) {
    if (delivery.kind === 'tombstone' || delivery.kind === 'parked') {
      continue;
    }
    const time = logTimestamp(delivery);
    if (time > 0) {
      needed.get('log')?.add(dayOf(time));
    }
    if (delivery.kind === 'stage') {
      needed.get(delivery.event.entity)?.add(dayOf(delivery.event.eventTimestamp));
    }
  }
  return needed;
}
