/**
 * The last line of defence of the logs: callers don't log personal data, secrets or payloads, and should one slip, it
 * ends here.
 */
import { maskCredentials } from './mask.ts';

/** A key is sensitive when it contains one of these, in whatever case and with whatever separators. */
const SENSITIVE_PARTS =
  /password|passwd|secret|token|authorization|cookie|apikey|privatekey|credential|email|phone|firstname|lastname|fullname/u;

/** A key is sensitive when it is just this: parts of it are too common. */
const SENSITIVE_KEYS = new Set(['data', 'payload', 'body', 'raw', 'value', 'values', 'row', 'rows', 'detail']);

const REDACTED = '[redacted]';
const MOST_DEPTH = 5;
const MOST_ITEMS = 50;
const MOST_CHARACTERS = 2_000;
/** Bounded in each part, so that no text makes it look far ahead or back. */
const EMAIL = /[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,8}/gu;
const MOST_FRAMES = 8;

interface Options {
  /** Whether errors show where they were thrown. */
  frames: boolean;
  /** Names of fields that hold personal data, as `plainName` has them. */
  personal: ReadonlySet<string>;
}

/** Masks credentials and e-mail addresses in a text and cuts it to a sane length. */
export function safeText(text: string): string {
  // Cut twice: no address is cut in two and shown by half, and no text is searched for long.
  const masked = maskCredentials(text.slice(0, 2 * MOST_CHARACTERS)).replace(EMAIL, '***@***');
  return masked.length > MOST_CHARACTERS ? `${masked.slice(0, MOST_CHARACTERS)}…` : masked;
}

/** A copy of a line's fields that is fit to be logged: JSON-safe, bounded and redacted. */
export function safeFields(fields: unknown, options: Options): Record<string, unknown> {
  return isRecord(fields) ? safeRecord(fields, options, 0) : {};
}

function safeRecord(record: object, options: Options, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(record)
      .slice(0, MOST_ITEMS)
      .map(([key, value]) => [
        key,
        isSensitive(key, value, options.personal) ? REDACTED : safeValue(value, options, depth + 1),
      ]),
  );
}

/** A name as it is compared: without case and separators. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z]/gu, '');
}

function isSensitive(key: string, value: unknown, personal: ReadonlySet<string>): boolean {
  // Counts and flags under such a name (`rows: 5000`, `tokenExpired: true`) tell nothing of a person.
  if (value === null || typeof value === 'boolean' || typeof value === 'undefined') return false;
  const plain = plainName(key);
  if (SENSITIVE_KEYS.has(plain) || personal.has(plain)) return typeof value !== 'number';
  return SENSITIVE_PARTS.test(plain);
}

function safeValue(value: unknown, options: Options, depth: number): unknown {
  if (typeof value === 'string') return safeText(value);
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return safeError(value, options, depth);
  if (value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MOST_DEPTH) return '[nested too deep]';
  if (Array.isArray(value)) return value.slice(0, MOST_ITEMS).map((item) => safeValue(item, options, depth + 1));
  return safeRecord(value, options, depth);
}

/** Other properties of errors (PostgreSQL's detail, an HTTP client's request) may carry a payload and stay behind. */
function safeError(error: Error, options: Options, depth: number): Record<string, unknown> {
  const code: unknown = 'code' in error ? error.code : undefined;
  return {
    name: error.name,
    message: safeText(error.message),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(options.frames && { at: framesOf(error) }),
    ...(error.cause instanceof Error && depth < MOST_DEPTH && { cause: safeError(error.cause, options, depth + 1) }),
  };
}

/** The stack without its head, which repeats the message. */
function framesOf(error: Error): string[] {
  return (error.stack ?? '')
    .split('\n')
    .filter((text) => /^\s+at /u.test(text))
    .slice(0, MOST_FRAMES)
    .map((text) => text.trim());
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
