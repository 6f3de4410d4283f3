/** Goes through every table with rows about people, window by window, and on from where an earlier attempt was. */
import type { ErasureCheckpoint } from '../workflows/erasure-contracts.ts';
import type { BlockWindow, ErasureStore, ErasureTable } from './erasure-ports.ts';

export interface Pass<Progress = ErasureCheckpoint> {
  /** Where an earlier attempt was; undefined at the first. */
  from: Progress | undefined;
  /** Aborts when the activity must end. */
  signal: AbortSignal;
  report(progress: Progress): void;
}

/** 32 MB: a moment to read, also for a disk that is busy. */
const BLOCKS = 4_096;

/**
 * A table that is empty is visited once, too.
 * @throws the signal's reason when it aborts, and what `visit` throws
 */
export async function passOver(
  erasures: Pick<ErasureStore, 'tables'>,
  { from, signal, report }: Pass,
  visit: (table: ErasureTable, window: BlockWindow) => Promise<void>,
): Promise<void> {
  for (const table of await erasures.tables(from?.table ?? 0)) {
    let block = table.oid === from?.table ? from.block : 0;
    while (block < Math.max(table.blocks, 1)) {
      signal.throwIfAborted();
      await visit(table, { from: block, to: block + BLOCKS });
      block += BLOCKS;
      report({ table: table.oid, block });
    }
  }
}
