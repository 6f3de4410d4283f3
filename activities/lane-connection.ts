import type { BatchWriter, ClaimedRange, LaneStore, Positions, Store } from './ports.ts';

/**
 * A lane's connection to PostgreSQL, opened when it is needed and again after it broke. The leases of the ranges that
 * the lane holds follow it.
 */
export interface LaneConnection {
  /** @throws WriteError when PostgreSQL can't be reached, FencedError when a held range is another lane's now */
  writer(): Promise<BatchWriter>;
  positions(): Promise<Positions>;
  /** The connection broke. */
  drop(): void;
  close(): Promise<void>;
}

/** @param held the ranges that the lane holds at the moment of the call */
export function createLaneConnection(store: Store, held: () => readonly ClaimedRange[]): LaneConnection {
  let opened: LaneStore | null = null;

  async function open(): Promise<LaneStore> {
    opened ??= await store.openLane(held());
    return opened;
  }

  async function close(): Promise<void> {
    const closing = opened;
    opened = null;
    await closing?.writer.close();
  }

  return {
    writer: async () => (await open()).writer,
    positions: async () => (await open()).positions,
    drop: () => {
      // Nobody waits for a broken connection to say goodbye.
      close().catch(() => {});
    },
    close,
  };
}
