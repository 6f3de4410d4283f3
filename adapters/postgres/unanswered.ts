/**
 * Connections that are dead without saying so: a firewall forgot them, or the other machine went away. TCP notices after
 * a quarter of an hour, and PostgreSQL's own timeouts don't reach us over such a connection.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { WriteError } from '../../activities/ports.ts';

/** A statement that is silent for so long is asked after, again and again; milliseconds. */
const SILENCE_MS = 5_000;

const SILENT = Symbol('silent');

/**
 * Waits for an answer for as long as PostgreSQL is at work on it.
 * @param isAtWork asked after each stretch of silence, over another connection
 * @throws WriteError when the answer will never come: what was asked may have been done all the same
 */
export async function answered<T>(work: Promise<T>, isAtWork: () => Promise<boolean>): Promise<T> {
  for (;;) {
    const waiting = new AbortController();
    const silence = sleep(SILENCE_MS, SILENT, { signal: waiting.signal, ref: false });
    silence.catch(() => {}); // aborted below
    const outcome = await Promise.race([work, silence]).finally(() => waiting.abort());
    if (outcome !== SILENT) {
      return outcome;
    }
    if (!(await isAtWork())) {
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
