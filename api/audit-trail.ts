/**
 * What has to be in the audit log is there, or nothing is done and nothing is shown. A change is written down before it
 * is made and once more with its outcome; personal data, exports and the log itself are shown once it is written who saw
 * them. See docs/AUDIT-LOG.md.
 */
import { randomUUID } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import type { AuditTrail } from '../activities/trail-ports.ts';
import { outcomeOf, type TrailEntry } from '../domain/audit-trail.ts';
import type { Permission } from '../domain/permissions.ts';
import type { Logger } from '../platform/logger.ts';
import { askedBy, routeOf } from './audit-subject.ts';
import type { ApiEnv } from './env.ts';
import { ProblemError, problem } from './errors.ts';
import type { Unidentified } from './unidentified.ts';

export interface TrailMiddlewareDeps {
  trail: AuditTrail;
  unidentified: Pick<Unidentified, 'count'>;
  /** null where addresses are not recorded. */
  addressOf(c: Context<ApiEnv>): string | null;
  /** Likewise; what is counted as one, so that nobody has too many of them. */
  networkOf(c: Context<ApiEnv>): string | null;
  logger: Logger;
}

export interface TrailMiddleware {
  /** Around authentication: counts what is refused before it is known who asks. */
  around: MiddlewareHandler<ApiEnv>;
  /** After it, and before all routes. */
  record: MiddlewareHandler<ApiEnv>;
}

const LOOKS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What is recorded whatever it shows. */
const EXPORTS = /\/(?:export|audit-log)$/u;

const FORBIDDEN = 403;

export function createTrailMiddleware({
  trail,
  unidentified,
  addressOf,
  networkOf,
  logger,
}: TrailMiddlewareDeps): TrailMiddleware {
  /** @returns whether it is written */
  async function write(c: Context<ApiEnv>, entry: TrailEntry): Promise<boolean> {
    try {
      await trail.append(entry);
      return true;
    } catch (error) {
      const { kind, route, actionId, requestId } = entry;
      logger.error('the audit log can not be written', { kind, route, actionId, requestId, path: c.req.path, error });
      return false;
    }
  }

  async function change(c: Context<ApiEnv>, route: string, next: () => Promise<void>): Promise<void> {
    const asked = { ...askedBy(c, route, addressOf(c)), actionId: randomUUID(), occurrences: 1 };
    const attempt = { ...asked, kind: 'attempt', outcome: 'pending', status: null, problem: null } as const;
    if (!(await write(c, attempt))) {
      throw new ProblemError('audit-unavailable', `It is not done, since it could not be recorded. ${AGAIN}`);
    }
    await next();
    // It is done by now, whether this is written or not; the attempt is.
    await write(c, { ...asked, kind: 'outcome', ...answerOf(c) });
  }

  async function look(c: Context<ApiEnv>, route: string, next: () => Promise<void>): Promise<void> {
    const principal = c.get('principal');
    const permissions = new WatchedPermissions(principal.permissions);
    c.set('principal', { ...principal, permissions });
    await next();
    const { status } = c.res;
    const isShown = status < 400 && (permissions.usedPersonal || EXPORTS.test(route));
    if (!isShown && status !== FORBIDDEN) return;
    const kind = isShown ? 'read' : 'refusal';
    const asked = { ...askedBy(c, route, addressOf(c)), actionId: randomUUID(), occurrences: 1 };
    if (await write(c, { ...asked, kind, ...answerOf(c) })) return;
    await c.res.body?.cancel();
    // Together with its headers, which would be kept otherwise.
    c.res = undefined;
    const refusal = problem(c, 'audit-unavailable', `It is not shown, since it could not be recorded. ${AGAIN}`);
    refusal.headers.delete('etag');
    c.res = refusal;
  }

  return {
    async around(c, next) {
      await next();
      const { status } = c.res;
      if ((status !== 401 && status !== FORBIDDEN) || isKnown(c)) return;
      unidentified.count({ status, problem: c.get('problemKind') ?? null, clientAddress: networkOf(c) });
    },
    async record(c, next) {
      const route = routeOf(c);
      // What nobody handles does nothing.
      if (route === null) return next();
      await (LOOKS.has(c.req.method) ? look(c, route, next) : change(c, route, next));
    },
  };
}

const AGAIN = 'See /health, and try again.';

function answerOf(c: Context<ApiEnv>): Pick<TrailEntry, 'outcome' | 'status' | 'problem'> {
  const { status } = c.res;
  return { outcome: outcomeOf(status), status, problem: c.get('problemKind') ?? null };
}

function isKnown(c: Context<ApiEnv>): boolean {
  // Absent before authentication, whatever its type says of the handlers.
  const principal: unknown = c.get('principal');
  return principal !== undefined;
}

/** Knows whether the permission to see personal data was asked for and there: what is shown then is not masked. */
class WatchedPermissions extends Set<Permission> {
  usedPersonal = false;

  override has(permission: Permission): boolean {
    const held = super.has(permission);
    if (held && permission === 'pii:read') this.usedPersonal = true;
    return held;
  }
}
