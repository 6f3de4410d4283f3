/**
 * Connections that are dead without saying so: a firewall forgot them, or the other machine went away. TCP notices after
 * a quarter of an hour, and PostgreSQL's own timeouts don't reach us over such a connection.
 */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { WriteError } from '../../activities/ports.ts';
import { methodsOf } from '../../platform/methods.ts';
import { within } from '../../platform/within.ts';

/** A statement that is silent for so long is asked after, again and again; milliseconds. */
const SILENCE_MS = 3_000;
const IDLE_PROBES = 2;

const SILENT = Symbol('silent');

/**
 * Waits for an answer for as long as PostgreSQL is at work on it.
 * @param isAtWork asked after each stretch of silence, over another connection
 * @throws WriteError when the answer will never come: what was asked may have been done all the same
 */
export async function answered<T>(work: Promise<T>, isAtWork: () => Promise<boolean>): Promise<T> {
  let idle = 0;
  for (;;) {
    const outcome = await within<T, typeof SILENT>(SILENCE_MS, work, () => SILENT);
    if (outcome !== SILENT) {
      return outcome;
    }
    // Once may fall between two statements.
    idle = (await isAtWork()) ? 0 : idle + 1;
    if (idle === IDLE_PROBES) {
      work.catch(() => {});
      throw new WriteError('no_answer');
    }
  }
}

export function backendPid(connection: CommonQueryMethods): Promise<number> {
  return connection.oneFirst(sql.type(z.object({ pid: z.number() }))`SELECT pg_backend_pid() AS pid`);
}

/** Whether a backend runs a statement at this moment. */
export function isBackendActive(connection: CommonQueryMethods, pid: number): Promise<boolean> {
  return connection.exists(sql.type(z.object({}))`
    SELECT FROM pg_stat_activity WHERE pid = ${pid} AND state = 'active'
  `);
}

/**
 * The same methods, given up when their answer takes longer: over a pool nobody can tell which backend to ask after. The
 * dead connection stays taken until TCP notices; the next call takes another one.
 * @param milliseconds more than the statements may take
 */
export function answeredWithin<T extends object>(milliseconds: number, room: T): T {
  return methodsOf<T>((call) =>
    within(milliseconds, call(room), () => {
      throw new WriteError('no_answer');
    }),
  );
}
