/**
 * Gets a batch of a lane into PostgreSQL exactly once, and recognises one whose commit was in doubt.
 */
import type { Rejection } from '../domain/failures.ts';
import { addTotals } from '../workflows/contracts.ts';
import { refused } from './ingest.ts';
import { writePersistently } from './persistent-write.ts';
import {
  type Batch,
  type BatchResult,
  type BatchWriter,
  type Delivery,
  FencedError,
  type LaneObserver,
} from './ports.ts';

export interface PersistDeps {
  /** The writer in use; opens a connection where there is none. @throws WriteError, FencedError */
  writer(): Promise<BatchWriter>;
  /** The connection broke: the next `writer` is a fresh one. */
  drop(): void;
  observer: Pick<LaneObserver, 'batchRetried' | 'batchSplit'>;
  /** Told why the batch waits. */
  onTrouble(reason: string): void;
}

/**
 * @returns what was written, in the shape of the batch as given, also when it had to be split
 * @throws FencedError when another lane holds a range now
 * @throws StaleSuppressionError when the batch must be prepared again; a part of it may have been committed
 * @throws the signal's reason when it aborts while waiting; what was not committed stays unwritten
 */
export function persist(deps: PersistDeps, batch: Batch, signal: AbortSignal): Promise<BatchResult> {
  return writePersistently({ ...deps, attempt: (rows) => write(deps, rows), split, charge, merge }, batch, signal);
}

async function write(deps: PersistDeps, batch: Batch): Promise<BatchResult> {
  const writer = await deps.writer();
  try {
    return await writer.write(batch);
  } catch (error) {
    if (!(error instanceof FencedError)) {
      throw error;
    }
    // The first try may have been committed before its connection broke: then the range stands at our own end.
    const result = await writer.committed(batch);
    if (result === null) {
      throw error;
    }
    return result;
  }
}

/** Halves a batch by its records; null when there is only one. Offsets without a record stay with what follows them. */
function split(batch: Batch): [Batch, Batch] | null {
  if (batch.deliveries.length < 2) {
    return null;
  }
  const middle = Math.ceil(batch.deliveries.length / 2);
  const cut = batch.deliveries[middle] as Delivery;
  const first: Batch = { ...batch, slices: [], deliveries: [] };
  const second: Batch = { ...batch, slices: [], deliveries: [] };
  batch.slices.forEach((slice, index) => {
    if (index < cut.slice) {
      first.slices.push(slice);
      return;
    }
    if (index > cut.slice) {
      second.slices.push(slice);
      return;
    }
    const before = batch.deliveries.slice(0, middle).filter((delivery) => delivery.slice === index).length;
    if (before === 0) {
      second.slices.push(slice);
      return;
    }
    first.slices.push({
      ...slice,
      next: cut.record.offset,
      records: before,
      absent: cut.record.offset - slice.from - before,
      last: null,
    });
    const after = slice.records - before;
    second.slices.push({
      ...slice,
      from: cut.record.offset,
      records: after,
      absent: slice.next - cut.record.offset - after,
    });
  });
  const offset = batch.slices.length - second.slices.length;
  first.deliveries = batch.deliveries.slice(0, middle);
  second.deliveries = batch.deliveries
    .slice(middle)
    .map((delivery) => ({ ...delivery, slice: delivery.slice - offset }));
  return [first, second];
}

/** A batch of one whose row PostgreSQL refuses becomes a failed event; null when there is no row to blame. */
function charge(batch: Batch, rejection: Rejection): Batch | null {
  const [delivery] = batch.deliveries;
  if (delivery?.kind !== 'stage' && delivery?.kind !== 'filtered') {
    return null;
  }
  return { ...batch, deliveries: [{ slice: delivery.slice, ...refused(delivery, rejection) }] };
}

/** Adds the halves' counts up to the slices of the whole. */
function merge(whole: Batch, first: BatchResult, second: BatchResult): BatchResult {
  const slices = first.slices.slice();
  const overlap = first.slices.length + second.slices.length - whole.slices.length;
  second.slices.forEach((counts, index) => {
    const at = first.slices.length - overlap + index;
    const already = slices[at];
    slices[at] = already === undefined ? counts : addTotals(already, counts);
  });
  return {
    slices,
    events: [...first.events, ...second.events],
    retries: [...first.retries, ...second.retries],
  };
}
