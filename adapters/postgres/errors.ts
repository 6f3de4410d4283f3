import { BackendTerminatedError, BackendTerminatedUnexpectedlyError, InvalidInputError } from 'slonik';
import { FencedError, WriteError } from '../../activities/ports.ts';
import { classifyRefusal } from '../../domain/sqlstate.ts';

interface Described {
  code?: unknown;
  constraint?: unknown;
  column?: unknown;
  cause?: unknown;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Follows `cause` to what PostgreSQL or the socket said. */
function describe(error: unknown): { code: string | null; constraint: string | null; column: string | null } {
  for (let at: unknown = error, depth = 0; at !== null && typeof at === 'object' && depth < 5; depth += 1) {
    const { code, constraint, column, cause } = at as Described;
    if (text(code) !== null) {
      return { code: text(code), constraint: text(constraint), column: text(column) };
    }
    at = cause;
  }
  return { code: null, constraint: null, column: null };
}

/**
 * Strips an error of the driver down to what is safe to keep: PostgreSQL's message and detail, and the query's values,
 * hold personal data and go no further.
 */
export function toWriteError(error: unknown): WriteError | FencedError {
  if (error instanceof WriteError || error instanceof FencedError) {
    return error;
  }
  const { code, constraint, column } = describe(error);
  if (code !== null) {
    return classifyRefusal(code) === 'fenced'
      ? new FencedError('another lane holds a range of this batch')
      : new WriteError(code, constraint, column);
  }
  if (error instanceof BackendTerminatedError || error instanceof BackendTerminatedUnexpectedlyError) {
    return new WriteError('connection_lost');
  }
  if (error instanceof InvalidInputError) {
    return new WriteError('22P02');
  }
  return new WriteError(error instanceof Error ? error.name : 'unknown');
}

/** Runs a query and lets only safe errors out. @throws WriteError, FencedError */
export async function guarded<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toWriteError(error);
  }
}
