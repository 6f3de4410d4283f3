/** The only place where errors become answers: problem details (RFC 9457) with a request id and never internals. */
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { LogUnavailableError, RegistryUnavailableError, WriteError } from '../activities/ports.ts';
import { QueueUnavailableError } from '../activities/retry-ports.ts';
import { classifyRefusal } from '../domain/sqlstate.ts';
import type { Logger } from '../platform/logger.ts';
import { ControlRefusedError, ControlUnavailableError, IngestionNotRunningError } from '../workflows/control-port.ts';

/** Every kind of problem there is; /docs lists them, and `type` of an answer points there. */
export const PROBLEMS = {
  'invalid-request': { status: 400, title: 'The request is not what the documentation asks for' },
  unauthorized: { status: 401, title: 'Nobody knows who you are' },
  forbidden: { status: 403, title: 'You may not do this' },
  'not-found': { status: 404, title: 'There is no such path' },
  'unknown-topic': { status: 404, title: 'No topic of this name is ingested' },
  'unknown-partition': { status: 404, title: 'The topic has no such partition' },
  'no-such-event': { status: 404, title: 'There is no such failed event' },
  'unknown-entity': { status: 404, title: 'Nothing is kept under this id' },
  'unknown-audit': { status: 404, title: 'There is no such audit' },
  'unknown-job': { status: 404, title: 'There is no such job' },
  'method-not-allowed': { status: 405, title: 'The path does not take this method' },
  'unknown-redrive': { status: 404, title: 'There is no such redrive' },
  'unknown-erasure': { status: 404, title: 'There is no such erasure' },
  'unknown-replay': { status: 404, title: 'There is no such replay or backfill' },
  'unknown-table-partition': { status: 404, title: 'The table has no such partition' },
  'unknown-maintenance': { status: 404, title: 'There is no such run of partition maintenance' },
  'unknown-retention': { status: 404, title: 'There is no such retention rule' },
  'unknown-quota': { status: 404, title: 'There is no such quota' },
  'unknown-hold': { status: 404, title: 'There is no such legal hold' },
  'unknown-api-key': { status: 404, title: 'There is no such API key' },
  'unknown-stream': { status: 404, title: 'No such stream was ever treated apart' },
  'not-running': { status: 409, title: 'The ingestion is not running' },
  refused: { status: 409, title: 'The request can not be carried out as things stand' },
  conflict: { status: 409, title: 'The event is not in a state that allows it' },
  'several-organizations': { status: 409, title: 'The id alone does not tell what is meant' },
  'offset-not-written': { status: 409, title: 'Kafka has no message at this offset yet' },
  'offset-deleted': { status: 410, title: 'Kafka no longer has the message at this offset' },
  'changed-meanwhile': { status: 412, title: 'The event has changed since it was read' },
  'too-large': { status: 413, title: 'The request body is too large' },
  'unsupported-media-type': { status: 415, title: 'The request body is not JSON' },
  'invalid-correction': { status: 422, title: 'The corrected event breaks a rule for events' },
  'invalid-selection': { status: 422, title: 'The selection is nothing that can be read' },
  'rate-limited': { status: 429, title: 'There are too many requests' },
  internal: { status: 500, title: 'Something unexpected went wrong' },
  'server-unavailable': { status: 503, title: 'PostgreSQL or the schema registry does not answer' },
  'identity-unavailable': { status: 503, title: 'The issuer of tokens does not answer' },
  'log-unavailable': { status: 503, title: 'Kafka does not answer' },
  'queue-unavailable': { status: 503, title: 'Redis does not answer' },
  'audit-unavailable': { status: 503, title: 'The audit log can not be written' },
  'control-unavailable': { status: 503, title: 'Temporal or its workers do not answer' },
} as const;

export type ProblemKind = keyof typeof PROBLEMS;

export const ProblemSchema = z
  .object({
    type: z.string().openapi({ description: 'Kind of the problem; points into the documentation.' }),
    title: z.string().openapi({ description: 'The same for every problem of the kind.' }),
    status: z.number().int(),
    detail: z.string().openapi({ description: 'What went wrong this time and what to do about it.' }),
    instance: z.string().openapi({ description: 'The path that was asked for.' }),
    requestId: z.string().openapi({ description: 'Finds the request in the logs.' }),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .openapi({ description: 'With `invalid-request` and `invalid-correction`: each field that is wrong.' }),
  })
  .openapi('Problem');

/** The `responses` entries of a route for the problems it may answer with. */
export function problemResponses<const Kind extends ProblemKind>(...kinds: Kind[]) {
  const byStatus = Map.groupBy(kinds, (kind) => PROBLEMS[kind].status);
  const entries = [...byStatus].map(([status, same]) => [
    status,
    {
      description: same.map((kind) => PROBLEMS[kind].title).join(', or: '),
      content: { 'application/problem+json': { schema: ProblemSchema } },
    },
  ]);
  return Object.fromEntries(entries) as Record<
    (typeof PROBLEMS)[Kind]['status'],
    { description: string; content: { 'application/problem+json': { schema: typeof ProblemSchema } } }
  >;
}

const RETRY_AFTER_SECONDS = 5;

export interface FieldProblem {
  path: string;
  message: string;
}

/** An answer that is a problem. */
export function problem(
  c: Context,
  kind: ProblemKind,
  detail: string,
  more?: { errors?: FieldProblem[]; headers?: Record<string, string> },
): Response {
  c.set('problemKind', kind);
  const body: z.infer<typeof ProblemSchema> = {
    ...problemOf(kind, detail, c.req.path, String(c.get('requestId') ?? '')),
    ...(more?.errors && { errors: more.errors }),
  };
  const headers = { 'content-type': 'application/problem+json', ...more?.headers };
  return c.body(JSON.stringify(body), PROBLEMS[kind].status, headers);
}

/** The body of a problem, also where there is no application yet that could answer. */
export function problemOf(kind: ProblemKind, detail: string, instance: string, requestId: string) {
  const { status, title } = PROBLEMS[kind];
  return { type: `/docs#problem-${kind}`, title, status, detail, instance, requestId };
}

/** Thrown by a handler that can't do what it is asked; the detail is shown to whoever asks. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly kind: ProblemKind;
  /** Each field that is wrong, where that is known. */
  readonly errors: FieldProblem[] | undefined;
  constructor(kind: ProblemKind, detail: string, errors?: FieldProblem[]) {
    super(detail);
    this.kind = kind;
    this.errors = errors;
  }
}

/** Answers a request whose parts don't fit their schemas, naming each field but never what it held. */
export function problemOfValidation(c: Context, target: string, error: z.ZodError): Response {
  const errors = error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
  const what = target === 'json' ? 'body' : target;
  return problem(c, 'invalid-request', `The ${what} is not valid: ${errors.map(sentence).join('; ')}.`, { errors });
}

function sentence(error: FieldProblem): string {
  return error.path === '' ? error.message : `${error.path}: ${error.message}`;
}

/** Makes the handler for everything that is thrown on the way to an answer. */
export function createErrorHandler(logger: Logger) {
  return (error: Error, c: Context): Response => {
    if (error instanceof ProblemError) {
      return problem(c, error.kind, error.message, error.errors && { errors: error.errors });
    }
    if (error instanceof IngestionNotRunningError) {
      return problem(c, 'not-running', 'No ingestion is running. Start it with POST /api/v1/crm-ingestion/start.');
    }
    if (error instanceof ControlRefusedError) return problem(c, 'refused', error.message);
    const requestId = String(c.get('requestId') ?? '');
    if (error instanceof ControlUnavailableError) {
      logger.warn('control plane does not answer', { requestId, path: c.req.path, error });
      return problem(
        c,
        'control-unavailable',
        'Ingestion can be neither asked nor told anything just now; what runs goes on. See /health, and try again.',
        again(),
      );
    }
    if (error instanceof QueueUnavailableError) {
      return problem(
        c,
        'queue-unavailable',
        'The retry queue can not be reached just now, and nothing was changed. See /health, and try again.',
        again(),
      );
    }
    if (error instanceof LogUnavailableError) {
      return problem(
        c,
        'log-unavailable',
        'Kafka could not be asked just now, and nothing was changed. See /health, and try again.',
        again(),
      );
    }
    if (isServerTrouble(error)) {
      logger.warn('a server does not answer', { requestId, path: c.req.path, error });
      return problem(
        c,
        'server-unavailable',
        'PostgreSQL or the schema registry could not be asked just now. See /health, and try again.',
        again(),
      );
    }
    if (error instanceof HTTPException) return problemOfException(c, error);
    if (isGone(error)) return problem(c, 'invalid-request', 'The request ended before its body did.');
    if (isUnstorable(error)) {
      logger.warn('a request holds what PostgreSQL can not store', { requestId, path: c.req.path, error });
      return problem(c, 'invalid-request', 'It holds a character or a number that can not be stored.');
    }
    logger.error('request failed', { requestId, path: c.req.path, error });
    return problem(c, 'internal', 'The request failed. The log has the reason under the request id.');
  };
}

function again() {
  return { headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } };
}

/** Trouble of PostgreSQL or the registry, as against a defect of ours. */
function isServerTrouble(error: Error): boolean {
  if (error instanceof RegistryUnavailableError) return true;
  return error instanceof WriteError && classifyRefusal(error.code) === 'server';
}

/** Whoever asked hung up while the body was read: their affair, and nothing for the log of errors. */
function isGone(error: Error): boolean {
  return error.message === 'aborted' && 'code' in error && error.code === 'ECONNRESET';
}

/**
 * A value that fits its schema and no column: a NUL character, half of a surrogate pair, a year that PostgreSQL does not
 * have. Class 22 is its data exceptions.
 */
function isUnstorable(error: Error): boolean {
  return error instanceof WriteError && /^22[0-9A-Z]{3}$/u.test(error.code);
}

/** Hono and its validators throw these for requests they can't read. */
function problemOfException(c: Context, error: HTTPException): Response {
  if (error.status === 415)
    return problem(c, 'unsupported-media-type', 'Send JSON as `content-type: application/json`.');
  return problem(c, 'invalid-request', 'The request body is not valid JSON.');
}
