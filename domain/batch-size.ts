/**
 * How much a lane takes at a time. A batch is what waits, up to a limit; each batch that reaches the limit moves it half
 * of the way to the size whose write, going by that batch, takes `TARGET_WRITE_MS`, between a fifth of the largest batch
 * and all of it. While batches reach the limit, the next is read during the write; else the lane waits for the write and
 * takes what has come together meanwhile.
 */

/** Rows, and bytes of keys and values: whichever is reached first ends a batch. */
export interface BatchAmount {
  rows: number;
  bytes: number;
}

export interface BatchSizer {
  /** The most that the next batch may hold; its last row may exceed the bytes. */
  readonly limit: BatchAmount;
  /**
   * Learns from a batch that was written.
   * @param limit what `limit` was when the batch was taken
   * @param writeMs how long its write took, in milliseconds
   */
  written(batch: BatchAmount, limit: BatchAmount, writeMs: number): void;
}

/**
 * A write of some hundred rows takes as long as the statement's fixed cost alone: the target is long enough for that to
 * be a small part of it also where the server is busy, and short enough for a lane that catches up to be seen to.
 */
export const TARGET_WRITE_MS = 500;

/** A share of the largest batch. Where even this takes longer than the target, it is the server: less would only cost more. */
const SMALLEST = 0.2;
const FIRST = 0.4;
/** Of the way to what a batch suggests. The next one is taken already, by the limit before: a whole step could overshoot. */
const STEP = 0.5;

/** True when more may wait than the batch holds. */
export const reaches = (batch: BatchAmount, limit: BatchAmount): boolean =>
  batch.rows >= limit.rows || batch.bytes >= limit.bytes;

/** @param largest what no batch may exceed, however fast the database is */
export function createBatchSizer(largest: BatchAmount): BatchSizer {
  let share = FIRST;
  return {
    get limit() {
      return { rows: Math.ceil(share * largest.rows), bytes: Math.ceil(share * largest.bytes) };
    },
    written(batch, limit, writeMs) {
      // How long a smaller one took says little: most of it is the fixed cost.
      if (!reaches(batch, limit)) return;
      const taken = Math.max(batch.rows / largest.rows, batch.bytes / largest.bytes);
      const suggested = (taken * TARGET_WRITE_MS) / Math.max(writeMs, 1);
      share += STEP * (Math.min(Math.max(suggested, SMALLEST), 1) - share);
    },
  };
}
