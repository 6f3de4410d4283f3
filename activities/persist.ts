/**
 * Gets a batch into PostgreSQL, whatever it takes: waits out the server's trouble, finds the row that is refused, and
 * recognises a batch whose commit was in doubt. The retry worker and the lanes call the very same function.
 */
import { classifyRefusal, isCapacity, isConnectionLoss } from '../domain/sqlstate.ts';
import { addTotals } from '../workflows/contracts.ts';
import { createPatience } from './patience.ts';
import {
  type Batch,
  type BatchResult,
  type BatchWriter,
  type Delivery,
  FencedError,
  type LaneObserver,
  WriteError,
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

/** After so many refusals for want of capacity a batch is halved: it may just be too large for the server. */
const CAPACITY_TRIES = 3;
/** Conflicts with other transactions are over in a moment; after so many the batch waits like for any trouble. */
const IMMEDIATE_TRIES = 5;

/**
 * @returns what was written, in the shape of the batch as given, also when it had to be split
 * @throws FencedError when another lane holds a range now
 * @throws the signal's reason when it aborts while waiting; what was not committed stays unwritten
 */
export async function persist(deps: PersistDeps, batch: Batch, signal: AbortSignal): Promise<BatchResult> {
  const patience = createPatience(signal);
  for (let attempt = 1; ; attempt += 1) {
    const attempted = await attemptWrite(deps, batch);
    if ('result' in attempted) {
      return attempted.result;
    }
    const { error } = attempted;
    const kind = classifyRefusal(error.code, error.constraint);
    if (kind === 'data' || kind === 'unknown' || (isCapacity(error.code) && attempt >= CAPACITY_TRIES)) {
      const halves = split(batch);
      if (halves !== null) {
        deps.observer.batchSplit();
        const first = await persist(deps, halves[0], signal);
        const second = await persist(deps, halves[1], signal);
        return merge(batch, first, second);
      }
      const charged = kind === 'server' ? null : charge(batch, error);
      if (charged !== null) {
        return persist(deps, charged, signal);
      }
    }
    deps.observer.batchRetried();
    if (kind === 'again' && attempt <= IMMEDIATE_TRIES) {
      continue;
    }
    deps.onTrouble(`PostgreSQL is in trouble (${error.code})`);
    await patience.wait();
  }
}

async function attemptWrite(deps: PersistDeps, batch: Batch): Promise<{ result: BatchResult } | { error: WriteError }> {
  try {
    const writer = await deps.writer();
    try {
      return { result: await writer.write(batch) };
    } catch (error) {
      if (!(error instanceof FencedError)) {
        throw error;
      }
      // The first try may have been committed before its connection broke: then the range stands at our own end.
      const result = await writer.committed(batch);
      if (result === null) {
        throw error;
      }
      return { result };
    }
  } catch (error) {
    if (!(error instanceof WriteError)) {
      throw error;
    }
    if (isConnectionLoss(error.code)) {
      deps.drop();
    }
    return { error };
  }
}

/** Halves a batch by its records; null when there is only one. Offsets without a record stay with what follows them. */
function split(batch: Batch): [Batch, Batch] | null {
  if (batch.deliveries.length < 2) {
    return null;
  }
  const middle = Math.ceil(batch.deliveries.length / 2);
  const cut = batch.deliveries[middle] as Delivery;
  const first: Batch = { runId: batch.runId, slices: [], deliveries: [] };
  const second: Batch = { runId: batch.runId, slices: [], deliveries: [] };
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
function charge(batch: Batch, error: WriteError): Batch | null {
  const [delivery] = batch.deliveries;
  if (delivery?.kind !== 'stage' && delivery?.kind !== 'filtered') {
    return null;
  }
  const where = [
    error.column === null ? null : `column ${error.column}`,
    error.constraint === null ? null : `constraint ${error.constraint}`,
  ].filter((part) => part !== null);
  const { eventId, eventType, organizationId, eventTimestamp } = delivery.event;
  return {
    ...batch,
    deliveries: [
      {
        kind: 'rejected',
        slice: delivery.slice,
        record: delivery.record,
        rejection: {
          code: 'refused_by_database',
          detail: `PostgreSQL refused the row: SQLSTATE ${error.code}${where.length > 0 ? ` (${where.join(', ')})` : ''}`,
        },
        schemaId: delivery.schemaId,
        event: { eventId, eventType, organizationId, eventTimestamp },
      },
    ],
  };
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
  return { slices, events: [...first.events, ...second.events] };
}
