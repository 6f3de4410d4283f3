/** An answer that is put together from several servers must not fail as a whole when one of them is down. */
import type { Logger } from '../platform/logger.ts';

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
      const timeout = Promise.withResolvers<never>();
      const timer = setTimeout(() => timeout.reject(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
      try {
        return await Promise.race([ask(), timeout.promise]);
      } catch (error) {
        notes.push(`${what} unknown: ${server} can't be asked just now, see /health`);
        logger.warn('part of an answer is missing', { what, server, error });
        return null;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
