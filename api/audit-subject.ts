/** What the audit log says of a request, without anything that it may hold about a person. */
import type { Context } from 'hono';
import { matchedRoutes } from 'hono/route';
import { recordedParameter, type TrailEntry } from '../domain/audit-trail.ts';
import { storable } from '../domain/text.ts';
import type { ApiEnv } from './env.ts';
import { declaredPermission } from './permits.ts';
import type { Principal } from './principal.ts';

/** What is known before a request is answered, and stays the same. */
export type Asked = Pick<
  TrailEntry,
  | 'principal'
  | 'principalKind'
  | 'permission'
  | 'method'
  | 'route'
  | 'subject'
  | 'organizations'
  | 'requestId'
  | 'clientAddress'
>;

/** Middleware is registered under these: a request that matches nothing else has no route. */
const WHOLE = new Set(['*', '/*', '/api/*']);

/** The pattern of the route that a request is for, such as `/api/v1/crm-ingestion/jobs/:id`; null without a route. */
export function routeOf(c: Context<ApiEnv>): string | null {
  // Of several that match, such as those of an export and of one event, the first one answers.
  return matchedRoutes(c).find(({ path }) => !WHOLE.has(path))?.path ?? null;
}

/** @param clientAddress null where it is not to be recorded */
export function askedBy(c: Context<ApiEnv>, route: string, clientAddress: string | null): Asked {
  const principal = c.get('principal');
  const parameters = parametersOf(route, c.req.path);
  return {
    principal: storable(principal.name),
    principalKind: principal.kind,
    permission: declaredPermission(c),
    method: c.req.method,
    route,
    subject: Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => [name, recordedParameter(name, value)]),
    ),
    organizations: organizationsOf(principal, parameters.organizationId, c.req.query('organizationId')),
    requestId: c.get('requestId'),
    clientAddress,
  };
}

/** What of the board changes something; its routes are its own. */
const BOARD_CHANGE = /\/queues\/[^/]+\/(?<job>(?:failed|enqueue)-[\w-]+)\/(?<change>retry|promote)$/u;

/** A path by the pattern of its route; of the board the job, and what is done with it. */
export function parametersOf(pattern: string, path: string): Record<string, string> {
  const parts = path.split('/');
  const parameters: Record<string, string> = {};
  for (const [index, name] of pattern.split('/').entries()) {
    const [, parameter] = /^:(\w+)/u.exec(name) ?? [];
    if (parameter !== undefined) parameters[parameter] = decoded(parts[index] ?? '');
    else if (name === '*') Object.assign(parameters, BOARD_CHANGE.exec(path)?.groups);
  }
  return parameters;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const ORGANIZATION = /^[\w.:-]{1,100}$/u;

/**
 * Those that a request concerns: of someone who is bound, theirs, or the one of them that the request names; else the one
 * in its path. What others write into a query may be anything.
 */
function organizationsOf(
  { organizations }: Principal,
  inPath: string | undefined,
  inQuery: string | undefined,
): string[] | null {
  if (organizations === null) return inPath !== undefined && ORGANIZATION.test(inPath) ? [inPath] : null;
  const named = inPath ?? inQuery;
  if (named !== undefined && organizations.includes(named)) return [storable(named)];
  return organizations.length === 0 ? null : organizations.map(storable);
}
