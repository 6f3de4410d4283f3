/**
 * A lane: reads its partitions from where PostgreSQL says they stand and writes batch after batch, until its slice of
 * time is over or it is told to stop. While it is behind, the next batch is fetched and decoded during the write of one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createBatchSizer, reaches } from '../domain/batch-size.ts';
import type { BreakerPolicy } from '../domain/breaker.ts';
import { addTotals, type LaneProgress, type LaneResult, type LaneTotals, NO_TOTALS } from '../workflows/contracts.ts';
import type { RetryScheduler } from './failed-ports.ts';
import type { IngestRules } from './ingest.ts';
import { type LaneBatchDeps, makeLaneBatch } from './lane-batch.ts';
import { createLaneConnection } from './lane-connection.ts';
import { createLaneRanges, type LaneWork } from './lane-ranges.ts';
import { createTroubleBoard } from './lane-trouble.ts';
import type { LateCount } from './late-count.ts';
import { isAbort, persevere, untilAborted } from './patience.ts';
import { persist } from './persist.ts';
import {
  type Batch,
  type BatchResult,
  type EventDecoder,
  type LaneObserver,
  LogIdentityError,
  type LogReader,
  type LogSession,
  type LogSlice,
  LogUnavailableError,
  OffsetOutOfRangeError,
  RegistryUnavailableError,
  StaleSuppressionError,
  type Store,
  WriteError,
} from './ports.ts';
import type { QuotaGate } from './quota-gate.ts';
import { amountOf, latenciesOf } from './slices.ts';
import { createStreamGate } from './stream-gate.ts';

export interface LaneOptions extends IngestRules {
  /** Most records in one batch, and most bytes of them (see `bytesOf`), but for its last record. */
  maxRecords: number;
  maxBytes: number;
  /** How long the first record of a batch waits for more, in milliseconds. */
  lingerMs: number;
  breaker: BreakerPolicy;
  /** Names this worker in leases and heartbeats. */
  worker: string;
}

export interface LaneDeps {
  reader: LogReader;
  decoder: EventDecoder;
  store: Store;
  observer: LaneObserver;
  retries: RetryScheduler;
  quotas: QuotaGate;
  options: LaneOptions;
}

export interface LaneControl {
  /** Aborts on pause, stop and shutdown: the batch under way is finished, if PostgreSQL lets it within the grace. */
  signal: AbortSignal;
  report(progress: LaneProgress): void;
  /** Holds the lane to a rate, or back; live lanes have none. */
  pace?: LanePace;
}

export interface LanePace {
  /**
   * Waits until so many more records may be taken on.
   * @param say why it waits beyond the rate, null when it no longer does
   * @throws the signal's reason when it aborts
   */
  wait(records: number, signal: AbortSignal, say: (reason: string | null) => void): Promise<void>;
}

/** How long a batch under way may still take after an abort, in milliseconds: a pause takes effect within 2 s. */
const ABORT_GRACE = 1_500;

/** @throws FencedError when another lane took a range over, OffsetOutOfRangeError under the policy `fail` */
export async function runLane(deps: LaneDeps, input: LaneWork, control: LaneControl): Promise<LaneResult> {
  const lane = createLane(deps, input, control);
  const sliceEnd = AbortSignal.timeout(input.sliceMs);
  const stop = AbortSignal.any([control.signal, sliceEnd, lane.broken]);
  try {
    await lane.start(stop);
    while (!stop.aborted && !lane.finished()) {
      await lane.read(stop);
    }
  } catch (error) {
    if (!(stop.aborted && isAbort(error))) {
      await lane.close();
      throw error;
    }
  }
  await lane.finish();
  await lane.close();
  if (lane.broken.aborted) {
    throw lane.broken.reason;
  }
  const reason = lane.finished() ? 'finished' : control.signal.aborted ? 'cancelled' : 'slice-ended';
  deps.observer.info('lane hands over', { reason, ...lane.totals() });
  return {
    reason,
    totals: lane.totals(),
    watermarks: lane.watermarks().map(({ topic, partition, next }) => ({ topic, partition, next })),
  };
}

function createLane(deps: LaneDeps, input: LaneWork, control: LaneControl) {
  const { reader, decoder, store, observer, retries, quotas, options } = deps;
  const gate = createStreamGate({
    streams: store.streams,
    observer,
    policy: options.breaker,
    now: () => performance.now(),
  });
  const broken = new AbortController();
  /** Aborts when the suppression list has changed under a batch: what was read since must be prepared again. */
  let stale = new AbortController();
  const grace = new AbortController();
  const connection = createLaneConnection(store, () => ranges.held());
  const ranges = createLaneRanges({ reader, connection, observer, owner: `${options.worker}/${input.lane}` }, input);
  const sizer = createBatchSizer({ rows: options.maxRecords, bytes: options.maxBytes });
  const ends = new Map<string, number>();
  let totals: LaneTotals = NO_TOTALS;
  /** Of the batch before. */
  let allNew = true;
  let writing: Promise<void> = Promise.resolve();

  function watermarks() {
    return ranges.held().map(({ topic, partition, nextOffset }) => ({
      topic,
      partition,
      next: nextOffset,
      end: Math.max(ends.get(`${topic}/${partition}`) ?? nextOffset, nextOffset),
    }));
  }

  function report(): void {
    control.report({
      lane: input.lane,
      worker: options.worker,
      totals,
      watermarks: watermarks(),
      trouble: trouble.current(),
    });
  }

  const trouble = createTroubleBoard((reason) => {
    if (reason === null) {
      observer.recovered();
    } else {
      observer.stalled(reason);
    }
    report();
  });

  /** Waits out the trouble of servers; lets everything else out. */
  async function patiently<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const result = await persevere(
      async () => {
        try {
          return await attempt();
        } catch (error) {
          if (error instanceof WriteError) {
            connection.drop();
          }
          throw error;
        }
      },
      troubleOf,
      (reason) => trouble.set('work', reason),
      signal,
    );
    trouble.set('work', null);
    return result;
  }

  const making: LaneBatchDeps = { store, decoder, quotas, options, gate, rangeOf: ranges.of, patiently };

  async function start(signal: AbortSignal): Promise<void> {
    report();
    await patiently(async () => {
      await options.suppression.refresh();
      await ranges.claim();
      await ranges.verify();
    }, signal);
    report();
  }

  /** Reads until `signal` aborts, or until reading must begin anew: positions had to be moved, or the suppression list has changed. */
  async function read(signal: AbortSignal): Promise<void> {
    const session = reader.open(
      ranges.held().map(({ topic, partition, nextOffset, endOffset, topicId }) => ({
        topic,
        partition,
        from: nextOffset,
        to: endOffset,
        topicId,
      })),
    );
    const watch = setInterval(() => trouble.set('read', session.trouble), TROUBLE_INTERVAL);
    try {
      await pump(session, AbortSignal.any([signal, stale.signal]));
    } catch (error) {
      await untilAborted(writing, signal);
      if (error instanceof OffsetOutOfRangeError) {
        await patiently(() => ranges.outOfRange(error), signal);
      } else if (error instanceof LogIdentityError) {
        await patiently(() => ranges.verify(), signal);
      } else if (!(stale.signal.aborted && isAbort(error))) {
        throw error;
      }
    } finally {
      clearInterval(watch);
      trouble.set('read', null);
      await session.close();
    }
    if (stale.signal.aborted) {
      await patiently(() => startAgain(), signal);
    }
  }

  /** A part of the batch may have been written: PostgreSQL says where the ranges stand. */
  async function startAgain(): Promise<void> {
    await options.suppression.refresh();
    await ranges.claim();
    stale = new AbortController();
  }

  async function pump(session: LogSession, signal: AbortSignal): Promise<void> {
    let behind = true;
    while (!signal.aborted) {
      if (!behind) {
        await untilAborted(writing, signal); // Meanwhile the next batch comes together.
      }
      const asked = performance.now();
      const { limit } = sizer;
      const slices = await session.next({
        maxRecords: limit.rows,
        maxBytes: limit.bytes,
        lingerMs: options.lingerMs,
        signal,
      });
      if (slices.length === 0) {
        if (session.finished) {
          await untilAborted(writing, signal); // Until then the ranges do not stand at their ends.
        }
        return;
      }
      const fetched = performance.now();
      const amount = amountOf(slices);
      behind = reaches(amount, limit);
      await control.pace?.wait(amount.rows, signal, (reason) => trouble.set('pace', reason));
      const { batch, late } = await makeLaneBatch(making, input, slices, allNew, signal);
      const seconds = { fetch: (fetched - asked) / 1000, decode: (performance.now() - fetched) / 1000 };
      await untilAborted(writing, signal);
      if (signal.aborted) {
        return;
      }
      const learn = (writeMs: number) => sizer.written(amount, limit, writeMs);
      writing = write(batch, slices, seconds, late, learn).catch((error) =>
        error instanceof StaleSuppressionError ? stale.abort() : broken.abort(error),
      );
    }
  }

  async function write(
    batch: Batch,
    slices: readonly LogSlice[],
    seconds: { fetch: number; decode: number },
    late: readonly LateCount[],
    learn: (writeMs: number) => void,
  ): Promise<void> {
    const began = performance.now();
    let result: BatchResult;
    try {
      result = await persist(
        {
          writer: () => connection.writer(),
          drop: () => connection.drop(),
          observer,
          onTrouble: (reason) => trouble.set('write', reason),
        },
        batch,
        grace.signal,
      );
    } catch (error) {
      if (grace.signal.aborted) {
        return; // Not committed: whoever reads next begins with this batch.
      }
      throw error;
    }
    trouble.set('write', null);
    const committed = Date.now();
    const writeMs = performance.now() - began;
    learn(writeMs);
    for (const slice of slices) {
      ranges.advance(slice, slice.next);
      ends.set(`${slice.topic}/${slice.partition}`, slice.endOffset);
    }
    retries.schedule(result.retries);
    const counts = result.slices.reduce<LaneTotals>(addTotals, NO_TOTALS);
    totals = addTotals(totals, counts);
    allNew = counts.skipped === 0;
    observer.batchWritten({
      slices,
      counts,
      events: result.events,
      late,
      seconds: { ...seconds, write: writeMs / 1000 },
      latencies: latenciesOf(slices, committed),
    });
    report();
  }

  /** Lets the batch under way finish, but no longer than the grace. */
  async function finish(): Promise<void> {
    await Promise.race([writing, sleep(ABORT_GRACE, undefined, { ref: false })]);
    grace.abort();
  }

  async function close(): Promise<void> {
    grace.abort();
    observer.released(ranges.held());
    await Promise.race([connection.close(), sleep(ABORT_GRACE, undefined, { ref: false })]);
  }

  return {
    start,
    read,
    finish,
    close,
    watermarks,
    finished: () => ranges.finished(),
    totals: () => totals,
    broken: broken.signal,
  };
}

/** How often a stall of the reader is looked for, in milliseconds. */
const TROUBLE_INTERVAL = 500;

/** Safe words for what is worth waiting for, null for everything else. */
function troubleOf(error: unknown): string | null {
  if (error instanceof WriteError) {
    return `PostgreSQL is in trouble (${error.code})`;
  }
  if (error instanceof RegistryUnavailableError || error instanceof LogUnavailableError) {
    return error.message;
  }
  return null;
}
