import type { BooksObserver } from '../../activities/books-ports.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/metrics.ts';

/** Turns what the sweep of the books finds into metrics, and into one log line per incident. */
export function createBooksObserver(metrics: Metrics, logger: Logger): BooksObserver {
  return {
    measured({ breaks, imbalance }) {
      metrics.booksGaps.set(breaks);
      metrics.booksImbalance.set(imbalance);
    },
    incident({ kind, ...fields }) {
      metrics.incidents.inc({ kind });
      logger.error('the books do not balance', { ...fields, kind });
    },
    folded(rows) {
      if (rows > 0) {
        logger.debug('rows of the chain folded', { rows });
      }
    },
  };
}
