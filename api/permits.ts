/** What a route asks of whoever calls it. Every route declares it; a test walks all of them. */
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Permission } from '../domain/permissions.ts';
import { withinScope } from '../platform/scope.ts';
import type { ApiEnv } from './env.ts';
import { ProblemError } from './errors.ts';

/**
 * `organization`: the route shows or changes rows of organizations, and those who are bound to some see theirs alone.
 * `installation`: it speaks of all of them at once, and is closed to those who are bound.
 */
export type Reach = 'organization' | 'installation';

/** The part of a route's definition that guards it. */
export function permits(permission: Permission, reach: Reach) {
  return {
    security: [{ bearer: [] }],
    'x-permission': permission,
    'x-reach': reach,
    middleware: guard(permission, reach),
  };
}

/** The part of a route's definition that says that it needs no permission. */
export const OPEN = { security: [], 'x-permission': 'none' };

/** Lets a request pass whose principal has the permission and the reach, within the scope of its organizations. */
export function guard(permission: Permission, reach: Reach): MiddlewareHandler<ApiEnv> {
  const handler: MiddlewareHandler<ApiEnv> = async (c, next) => {
    needs(c, permission);
    const { organizations } = c.get('principal');
    if (reach === 'installation' && organizations !== null) {
      throw new ProblemError('forbidden', 'This concerns all organizations; your identity is bound to some of them.');
    }
    await withinScope({ organizations }, next);
  };
  GUARDS.set(handler, permission);
  return handler;
}

/** Permissions by the handlers that ask for them. */
const GUARDS = new WeakMap<object, Permission>();

/** The permission of the route that a request is for, known before its turn; null without. */
export function declaredPermission(c: Context<ApiEnv>): Permission | null {
  return matchedRoutes(c).flatMap(({ handler }) => GUARDS.get(handler) ?? [])[0] ?? null;
}

/**
 * For what a route needs beyond its own permission, depending on what is asked of it.
 * @throws ProblemError `forbidden` that names the permission
 */
export function needs(c: Context<ApiEnv>, permission: Permission): void {
  if (!c.get('principal').permissions.has(permission)) {
    throw new ProblemError('forbidden', `It takes the permission ${permission}, which your identity does not have.`);
  }
}
