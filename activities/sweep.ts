import type { SweepCounts, SweepInput } from '../workflows/contracts.ts';
import type { ErasureInput } from '../workflows/erasure-contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import type { ErasureStore } from './erasure-ports.ts';
import type { FailedEvents } from './failed-ports.ts';
import { heartbeating } from './heartbeating.ts';
import type { DueRetries } from './retry-ports.ts';

export interface SweepDeps {
  store: { failed: Pick<FailedEvents, 'due'> };
  erasures: Pick<ErasureStore, 'unfinished'>;
  queue: DueRetries;
  /** Makes the partitions of the next days or months. @returns how many there were to make. @throws WriteError */
  makePartitionsAhead(): Promise<number>;
  /** Told how many retries were put into the queue. */
  onEnqueued(retries: number): void;
}

/** More than the workers do between two sweeps; the rest is found by the next ones. */
const MOST_AT_ONCE = 50_000;
const PAGE = 1_000;

/** The API starts an erasure within seconds of its row, or gives it up. */
const ERASURE_STARTS_MS = 60_000;
const MOST_ERASURES = 100;

/** Makes the activities that find again what Redis forgot. */
export function createSweep({ store, erasures, queue, makePartitionsAhead, onEnqueued }: SweepDeps) {
  return {
    /** A lane would make a missing partition itself, but has to wait while somebody reads the whole table. */
    sweepPartitions: withSafeFailures(
      async (_input: SweepInput): Promise<SweepCounts> => ({ made: await makePartitionsAhead() }),
    ),

    /** Puts the retries that are due in PostgreSQL into the queue; the queue knows those that it has already. */
    sweepRetries: withSafeFailures((_input: SweepInput): Promise<SweepCounts> => {
      let added = 0;
      return heartbeating(
        async (signal) => {
          const due = await store.failed.due(Date.now(), MOST_AT_ONCE);
          while (added < due.length && !signal.aborted) {
            const page = due.slice(added, added + PAGE);
            await queue.addDue(page);
            onEnqueued(page.length);
            added += page.length;
          }
          return { due: due.length, enqueued: added };
        },
        () => added,
      );
    }),

    /** Erasures that should have a workflow by now; whether they do, Temporal knows. */
    sweepErasures: withSafeFailures(async (_input: SweepInput): Promise<{ running: ErasureInput[] }> => {
      const running = await erasures.unfinished(ERASURE_STARTS_MS, MOST_ERASURES);
      return { running: running.map((erasureId) => ({ erasureId })) };
    }),
  };
}
