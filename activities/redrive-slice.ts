/**
 * Works through the failed events of a redrive for a while, page after page in the order of their ids. While pages are
 * being written the next one is read and decoded. Whatever is left undone the next slice finds again, and an event that
 * was tried is never tried twice: PostgreSQL leaves it out by the id of the redrive.
 */
import { addCounts } from '../domain/counts.ts';
import {
  NO_REDRIVE_COUNTS,
  type RedriveCounts,
  type RedriveSliceInput,
  type RedriveSliceProgress,
  type RedriveSliceResult,
} from '../workflows/contracts.ts';
import { isAbort, persevere } from './patience.ts';
import { RegistryUnavailableError, WriteError } from './ports.ts';
import { createPace } from './redrive-pace.ts';
import type { Redrive, RedrivePage, Redrives } from './redrive-ports.ts';

/** How the events of a page are dealt with. */
export interface PageWork<Prepared> {
  /** @throws WriteError, RegistryUnavailableError */
  prepare(redrive: Redrive, page: RedrivePage): Promise<Prepared>;
  /** Safe to be done again. @throws the signal's reason when it aborts while waiting for PostgreSQL */
  write(
    redrive: Redrive,
    prepared: Prepared,
    signal: AbortSignal,
    waiting: (reason: string) => void,
  ): Promise<RedriveCounts>;
}

export interface SliceDeps {
  redrives: Pick<Redrives, 'get' | 'page'>;
  /** Redrives in a row that may fail before an event is left out. */
  mostRedrives: number;
}

export interface SliceControl {
  /** Aborts on pause, cancel and shutdown: pages under way are finished. */
  signal: AbortSignal;
  report(progress: RedriveSliceProgress): void;
}

/** Events in one transaction. */
const PAGE = 2_000;

/** Pages that are written side by side; more than the two cores of a small PostgreSQL gain nothing. */
const WRITERS = 2;

/**
 * @returns how far it came; done when the redrive has no events left, or has ended meanwhile
 * @throws UnknownRedriveError
 */
export async function runRedriveSlice<Prepared>(
  { redrives, mostRedrives }: SliceDeps,
  work: PageWork<Prepared>,
  { redriveId, after: from, ratePerSecond, sliceMs }: RedriveSliceInput,
  control: SliceControl,
): Promise<RedriveSliceResult> {
  const stop = AbortSignal.any([control.signal, AbortSignal.timeout(sliceMs)]);
  const pace = createPace(ratePerSecond);
  const limit = Math.min(PAGE, ratePerSecond);
  const writing: Array<Promise<void>> = [];
  let counts = NO_REDRIVE_COUNTS;
  let after = from;
  let done = false;

  const waiting = (trouble: string | null) => control.report({ after, counts, trouble });
  const patiently = <T>(attempt: () => Promise<T>) => persevere(attempt, troubleOf, waiting, stop);

  /** Counts a page when it is written and all before it are: a later attempt goes on after it. */
  async function write(redrive: Redrive, page: RedrivePage, prepared: Prepared, before: Promise<void> | undefined) {
    const written = await work.write(redrive, prepared, stop, waiting);
    await before;
    counts = addCounts(counts, { ...written, leftOut: written.leftOut + page.leftOut });
    after = page.last;
    waiting(null);
  }

  try {
    const redrive = await patiently(() => redrives.get(redriveId));
    if (redrive === null) {
      throw new UnknownRedriveError(redriveId);
    }
    done = redrive.status !== 'running' && redrive.status !== 'paused';
    let read = from;
    while (!stop.aborted && !done) {
      const page = await patiently(() => redrives.page(redrive, { after: read, limit, mostRedrives }));
      if (page === null) {
        done = true;
        break;
      }
      const prepared = await patiently(() => work.prepare(redrive, page));
      await pace.wait(page.failedIds.length, stop);
      if (writing.length >= WRITERS) {
        await writing.shift();
        if (stop.aborted) break;
      }
      const written = write(redrive, page, prepared, writing.at(-1));
      // Whoever waits for it sees the failure; nobody is told of it before.
      written.catch(() => {});
      writing.push(written);
      read = page.last;
    }
    await Promise.all(writing);
  } catch (error) {
    await Promise.allSettled(writing);
    if (!(stop.aborted && isAbort(error))) {
      throw error;
    }
    // A page was read but could not be written: the next slice reads it again.
    done = false;
  }
  return { after, counts, done };
}

function troubleOf(error: unknown): string | null {
  return error instanceof WriteError || error instanceof RegistryUnavailableError ? error.message : null;
}

/** PostgreSQL has no such request. */
export class UnknownRedriveError extends Error {
  override readonly name = 'UnknownRedriveError';
  constructor(redriveId: string) {
    super(`there is no redrive ${redriveId}`);
  }
}
