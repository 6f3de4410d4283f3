import { imbalanceOf } from '../domain/books.ts';
import type { SweepCounts, SweepInput } from '../workflows/contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import type { BooksKeeper, BooksObserver } from './books-ports.ts';
import { heartbeating } from './heartbeating.ts';

const HOUR_MS = 3_600_000;

/** About how many rows of the chain one sweep folds: what several busy lanes write in a minute, and more to catch up. */
const FOLDED_AT_ONCE = 100_000;

export interface BooksDeps {
  keeper: BooksKeeper;
  observer: BooksObserver;
  /** Hours that ended longer ago than so many are folded. */
  foldAfterHours: number;
}

/**
 * Makes the step of the sweep that keeps the books: folds old rows of the chain, looks for gaps, overlaps and sides that
 * differ, and makes each an incident once. On several workers at once it does no harm.
 */
export function createSweepBooks({ keeper, observer, foldAfterHours }: BooksDeps) {
  return {
    sweepBooks: withSafeFailures(
      (_input: SweepInput): Promise<SweepCounts> =>
        heartbeating(async () => {
          const folded = await keeper.fold(new Date(Date.now() - foldAfterHours * HOUR_MS), FOLDED_AT_ONCE);
          observer.folded(folded);
          const check = await keeper.check();
          const imbalance = imbalanceOf(check.identities);
          observer.measured({ breaks: check.breaks.length, imbalance });
          const incidents = await keeper.note(check);
          for (const incident of incidents) {
            observer.incident(incident);
          }
          return { folded, breaks: check.breaks.length, imbalance, incidents: incidents.length };
        }),
    ),
  };
}
