import { type BatchAmount, type BatchSizer, reaches } from '../../../domain/batch-size.ts';

/** All times in milliseconds. */
export interface Simulation {
  sizer: BatchSizer;
  forMs: number;
  /** Waits already at the beginning. */
  backlog?: number;
  /** Events that come in a millisecond. */
  rateAt?(time: number): number;
  bytesPerRow?: number;
  /** How long the database takes for a batch that it begins at a time. */
  writeMs(rows: number, time: number): number;
}

export interface SimulatedBatch extends BatchAmount {
  limit: BatchAmount;
  takenAt: number;
  writtenAt: number;
  writeMs: number;
  /** From the arrival of its oldest event to its commit. */
  longestMs: number;
  /** Events that are taken and not written, at most while it was written. */
  held: number;
}

const LINGER_MS = 20;
const DECODE_MS_PER_ROW = 0.008;

/** A lane by the clock of a simulation: takes, decodes and writes as the rule has it, one batch ahead at most. */
export function simulateLane({
  sizer,
  forMs,
  backlog = 0,
  rateAt = () => 0,
  bytesPerRow = 250,
  writeMs,
}: Simulation): SimulatedBatch[] {
  const batches: SimulatedBatch[] = [];
  const log = createArrivals(backlog, rateAt);
  let taken = 0;
  let behind = true;
  let now = 0;
  let writing: SimulatedBatch | null = null;

  const writeOver = () => {
    if (writing === null) return;
    now = Math.max(now, writing.writtenAt);
    sizer.written(writing, writing.limit, writing.writeMs);
    writing = null;
  };

  while (now < forMs) {
    if (!behind || (writing !== null && (writing as SimulatedBatch).writtenAt <= now)) writeOver();
    const { limit } = sizer;
    const most = Math.min(limit.rows, Math.ceil(limit.bytes / bytesPerRow));
    const oldest = log.timeOf(taken, now, forMs);
    if (oldest === null) break;
    now = Math.max(now, Math.min(log.timeOf(taken + most - 1, now, oldest + LINGER_MS) ?? oldest + LINGER_MS));
    const rows = Math.min(most, log.arrivedBy(now) - taken);
    const amount = { rows, bytes: rows * bytesPerRow };
    behind = reaches(amount, limit);
    const takenAt = now;
    now += rows * DECODE_MS_PER_ROW;
    taken += rows;
    const held: number = rows + ((writing as SimulatedBatch | null)?.rows ?? 0);
    writeOver();
    const ms = writeMs(rows, now);
    writing = { ...amount, limit, takenAt, writtenAt: now + ms, writeMs: ms, longestMs: now + ms - oldest, held };
    batches.push(writing);
  }
  return batches;
}

function createArrivals(backlog: number, rateAt: (time: number) => number) {
  /** Arrived by the end of each millisecond. */
  const sums: number[] = [backlog];
  const arrivedBy = (time: number): number => {
    while (sums.length <= Math.floor(time)) sums.push((sums.at(-1) ?? 0) + rateAt(sums.length));
    return Math.floor((sums[Math.floor(time)] ?? 0) + 1e-9);
  };
  return {
    arrivedBy,
    /** When the event of an index arrives; null when not until the given time. Knows those before `now` exactly, too. */
    timeOf(index: number, now: number, until: number): number | null {
      if (arrivedBy(now) > index) {
        let low = 0;
        for (let high = Math.floor(now); low < high; ) {
          const middle = Math.floor((low + high) / 2);
          if (arrivedBy(middle) > index) high = middle;
          else low = middle + 1;
        }
        return low;
      }
      for (let time = Math.floor(now) + 1; time <= until; time += 1) if (arrivedBy(time) > index) return time;
      return null;
    },
  };
}
