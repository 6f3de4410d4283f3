import { ApplicationFailure } from '@temporalio/activity';
import {
  FencedError,
  LogIdentityError,
  LogUnavailableError,
  OffsetOutOfRangeError,
  RegistryUnavailableError,
  WriteError,
} from './ports.ts';
import { QueueUnavailableError } from './retry-ports.ts';
import { SuppressionKeyError } from './suppression.ts';

/** Our own errors, whose messages hold no payload; the names are what retry policies and people see. */
const TYPES: ReadonlyArray<readonly [new (...args: never[]) => Error, type: string]> = [
  [OffsetOutOfRangeError, 'OffsetOutOfRange'],
  // Temporal believes that this attempt is the one, so the next claims again; a zombie's failure reaches nobody.
  [FencedError, 'Fenced'],
  [LogIdentityError, 'LogIdentity'],
  [LogUnavailableError, 'LogUnavailable'],
  [WriteError, 'WriteRefused'],
  [RegistryUnavailableError, 'RegistryUnavailable'],
  [QueueUnavailableError, 'QueueUnavailable'],
  [SuppressionKeyError, 'SuppressionKey'],
];

/**
 * What a failed activity tells Temporal. A foreign error's message may quote a row or a record, and a history keeps what
 * it gets, so of those only the kind and the place in our code are told.
 */
export function toApplicationFailure(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) {
    return error;
  }
  const known = TYPES.find(([errorClass]) => error instanceof errorClass);
  if (known && error instanceof Error) {
    return ApplicationFailure.create({ type: known[1], message: error.message });
  }
  const type = error instanceof Error ? error.name : 'UnknownError';
  const code = codeOf(error);
  const place = error instanceof Error ? placeOf(error) : null;
  return ApplicationFailure.create({
    type,
    message: `unexpected ${type}${code ? ` (${code})` : ''}${place ? ` ${place}` : ''}`,
  });
}

/** Wraps an activity so that whatever it throws is fit for a history. */
export function withSafeFailures<Input, Result>(
  activity: (input: Input) => Promise<Result>,
): (input: Input) => Promise<Result> {
  return async (input) => {
    try {
      return await activity(input);
    } catch (error) {
      throw toApplicationFailure(error);
    }
  };
}

/** Such as ECONNREFUSED: letters, digits and underscores alone, so that no text slips in. */
function codeOf(error: unknown): string | null {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  return /^\w{1,40}$/u.test(code) ? code : null;
}

/** A line of a message may look like a frame, and be of any length. */
const LONGEST_FRAME = 500;

/** The topmost stack frame, for example `at claim (positions.ts:41:9)`. */
function placeOf(error: Error): string | null {
  const frame = error.stack?.split('\n').find((line) => /^\s+at /u.test(line));
  return frame
    ? frame
        .trim()
        .slice(0, LONGEST_FRAME)
        .replace(/\(?(?:file:\/\/)?[^()\s]*\//u, (path) => (path.startsWith('(') ? '(' : ''))
    : null;
}
