/**
 * Gets rows into PostgreSQL, whatever it takes: waits out the server's trouble and finds the row that is refused. What
 * is written, how it is halved and how a row is charged is for the caller to say.
 */
import type { FailureCode, Rejection } from '../domain/failures.ts';
import { isCapacity, isConnectionLoss, type RefusalClass, refusalOf } from '../domain/sqlstate.ts';
import { createPatience } from './patience.ts';
import { type LaneObserver, WriteError } from './ports.ts';

export interface Writing<Rows, Result> {
  /** @throws WriteError */
  attempt(rows: Rows): Promise<Result>;
  /** The connection broke: the next attempt takes a fresh one. */
  drop(): void;
  /** null when there is nothing to halve. */
  split(rows: Rows): [Rows, Rows] | null;
  /** The only row becomes a failed event; null when there is none to blame. */
  charge(rows: Rows, rejection: Rejection): Rows | null;
  merge(whole: Rows, first: Result, second: Result): Result;
  observer: Pick<LaneObserver, 'batchRetried' | 'batchSplit'>;
  /** Told why the rows wait. */
  onTrouble(reason: string): void;
}

/** After so many refusals for want of capacity the rows are halved: they may just be too many for the server. */
const CAPACITY_TRIES = 3;
/** Conflicts with other transactions are over in a moment; after so many the rows wait like for any trouble. */
const IMMEDIATE_TRIES = 5;
/** After so many it is not the moment: some row stays locked, and the others must not wait for it. */
const CONTENTION_TRIES = 8;

/**
 * @throws what `attempt` throws beside a WriteError
 * @throws the signal's reason when it aborts while waiting; what was not committed stays unwritten
 */
export async function writePersistently<Rows, Result>(
  writing: Writing<Rows, Result>,
  rows: Rows,
  signal: AbortSignal,
): Promise<Result> {
  const patience = createPatience(signal);
  for (let attempt = 1; ; attempt += 1) {
    const attempted = await tryWrite(writing, rows);
    if ('result' in attempted) {
      return attempted.result;
    }
    const { error } = attempted;
    const refusal = refusalOf(error);
    if (isWorthHalving(refusal, error.code, attempt)) {
      const halves = writing.split(rows);
      if (halves !== null) {
        writing.observer.batchSplit();
        const first = await writePersistently(writing, halves[0], signal);
        const second = await writePersistently(writing, halves[1], signal);
        return writing.merge(rows, first, second);
      }
      const code = chargeable(refusal, error.code);
      const charged = code === null ? null : writing.charge(rows, rejectionOf(code, error));
      if (charged !== null) {
        return writePersistently(writing, charged, signal);
      }
    }
    writing.observer.batchRetried();
    if (refusal === 'again' && attempt <= IMMEDIATE_TRIES) {
      continue;
    }
    writing.onTrouble(`PostgreSQL is in trouble (${error.code})`);
    await patience.wait();
  }
}

async function tryWrite<Rows, Result>(
  writing: Writing<Rows, Result>,
  rows: Rows,
): Promise<{ result: Result } | { error: WriteError }> {
  try {
    return { result: await writing.attempt(rows) };
  } catch (error) {
    if (!(error instanceof WriteError)) {
      throw error;
    }
    if (isConnectionLoss(error.code)) {
      writing.drop();
    }
    return { error };
  }
}

function isWorthHalving(refusal: RefusalClass, code: string, attempt: number): boolean {
  switch (refusal) {
    case 'data':
    case 'unknown':
    case 'locked': // It was waited for as long as lock_timeout says.
      return true;
    case 'again':
      return attempt >= CONTENTION_TRIES;
    default:
      return isCapacity(code) && attempt >= CAPACITY_TRIES;
  }
}

/** How a row that is refused by itself has failed; null when the server is at fault. */
function chargeable(refusal: RefusalClass, code: string): FailureCode | null {
  switch (refusal) {
    case 'data':
    case 'unknown':
      return code === '23503' ? 'missing_reference' : 'refused_by_database';
    case 'locked':
    case 'again':
      return 'row_contended';
    default:
      return null;
  }
}

function rejectionOf(code: FailureCode, error: WriteError): Rejection {
  const where = [
    error.column === null ? null : `column ${error.column}`,
    error.constraint === null ? null : `constraint ${error.constraint}`,
  ].filter((part) => part !== null);
  const field = error.column ?? error.constraint;
  return {
    code,
    detail: `PostgreSQL refused the row: SQLSTATE ${error.code}${where.length > 0 ? ` (${where.join(', ')})` : ''}`,
    sqlstate: error.code,
    ...(field !== null && { field }),
  };
}
