/** An answer that is put together from several servers must not fail as a whole when one of them is down. */
import type { Logger } from '../platform/logger.ts';
import { within } from '../platform/within.ts';

const TIMEOUT_MS = 3_000;

/** Asks servers one by one, keeping a note for each that fails. */
export interface Parts {
  notes: string[];
  /** What `ask` resolves to, or null after an error or 3 s without an answer. */
  get<T>(what: string, server: string, ask: () => Promise<T>): Promise<T | null>;
}

export function createParts(logger: Logger): Parts {
  const notes: string[] = [];
  return {
    notes,
    async get(what, server, ask) {
      try {
        return await within(TIMEOUT_MS, ask(), () => {
          throw new Error(`no answer within ${TIMEOUT_MS} ms`);
        });
      } catch (error) {
        notes.push(`${what} unknown: ${server} can't be asked just now, see /health`);
        logger.warn('part of an answer is missing', { what, server, error });
        return null;
      }
    },
  };
}
