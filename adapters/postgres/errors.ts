import { InvalidInputError, SchemaValidationError } from 'slonik';
import { FencedError, StaleSuppressionError, WriteError } from '../../activities/ports.ts';
import { classifyRefusal } from '../../domain/sqlstate.ts';
import { explainCode, explainRefusal } from '../../platform/tls-explain.ts';
import { NoScopeError } from './scoped-pool.ts';

interface Described {
  code?: unknown;
  constraint?: unknown;
  column?: unknown;
  where?: unknown;
  cause?: unknown;
}

/**
 * PostgreSQL's context while it waits for another transaction's row, such as `while inserting index tuple (3,5) in
 * relation "…"` (XactLockTableWait in its sources). A row of our own bookkeeping is no event's. In another language of `lc_messages` it is not recognised, and the
 * batch then waits as for any trouble of the server.
 */
const AT_A_ROW = /^while \w+ (?:index )?tuple \(\d+,\d+\) in relation "crm_(?:event_ledger|\w+_staging|events_log)/mu;

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Follows `cause` to what PostgreSQL or the socket said. */
function describe(error: unknown): {
  code: string | null;
  constraint: string | null;
  column: string | null;
  row: boolean;
} {
  for (let at: unknown = error, depth = 0; at !== null && typeof at === 'object' && depth < 5; depth += 1) {
    const { code, constraint, column, where, cause } = at as Described;
    if (text(code) !== null) {
      return {
        code: text(code),
        constraint: text(constraint),
        column: text(column),
        row: AT_A_ROW.test(text(where) ?? ''),
      };
    }
    at = cause;
  }
  return { code: null, constraint: null, column: null, row: false };
}

/** Mistakes of ours, which waiting won't mend. */
const DEFECTS = [TypeError, RangeError, ReferenceError, SyntaxError, SchemaValidationError, NoScopeError];

/**
 * Strips an error of the driver down to what is safe to keep: PostgreSQL's message and detail, and the query's values,
 * hold personal data and go no further.
 */
export function toSafeError(error: unknown): Error {
  if (error instanceof WriteError || error instanceof FencedError || error instanceof StaleSuppressionError) {
    return error;
  }
  const { code, constraint, column, row } = describe(error);
  if (code !== null) {
    switch (classifyRefusal(code)) {
      case 'fenced':
        return new FencedError('another lane holds a range of this batch');
      case 'stale':
        return new StaleSuppressionError();
      default:
        return new WriteError(code, constraint, column, row, explainCode('database', code));
    }
  }
  if (error instanceof InvalidInputError) {
    return new WriteError('22P02');
  }
  if (error instanceof Error && DEFECTS.some((defect) => error instanceof defect)) {
    return withFrames(new Error(`unexpected ${error.name} from the database client`), error);
  }
  // The driver's own errors have no code: a connection that ended, timed out or can no longer be used.
  return new WriteError('connection_lost', null, null, false, explainRefusal('database', error));
}

/** Keeps where it happened, without the message. */
function withFrames(safe: Error, original: Error): Error {
  const frames = (original.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  safe.stack = [`${safe.name}: ${safe.message}`, ...frames].join('\n');
  return safe;
}

/** Runs a query and lets only safe errors out. @throws WriteError, FencedError, StaleSuppressionError */
export async function guarded<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toSafeError(error);
  }
}
