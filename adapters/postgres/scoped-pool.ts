/**
 * A pool below which no statement can forget whose rows it may touch. Each connection that is taken out of it obeys the
 * scope of the work under way (platform/scope.ts): for work that is bound to organizations it becomes the role
 * `crm_tenant`, whose row security shows and changes theirs alone, see migrations/000016_isolation.sql.
 */
import { type CommonQueryMethods, type Interceptor, sql } from 'slonik';
import { currentScope } from '../../platform/scope.ts';

/** Work asked the database without saying on whose behalf: a defect, which shows nothing rather than everything. */
export class NoScopeError extends Error {
  override readonly name = 'NoScopeError';
}

/**
 * What makes a pool obey. Must be the pool's first interceptor.
 *
 * A connection is bound before anything else is asked over it, and set free before it goes back; one for which either
 * fails is closed. The driver closes it as well after any failed statement, and forgets all settings of a session with
 * each release.
 */
export function obeyScope(): Interceptor {
  const bound = new WeakSet<CommonQueryMethods>();
  return {
    name: 'obey-scope',

    async beforePoolConnection() {
      if (currentScope() === undefined) {
        throw new NoScopeError('the database was asked outside of any scope');
      }
      return null;
    },

    async afterPoolConnection(_context, connection) {
      const organizations = currentScope()?.organizations;
      if (organizations === undefined) {
        throw new NoScopeError('the database was asked outside of any scope');
      }
      if (organizations !== null) {
        bound.add(connection);
        await connection.query(sql.unsafe`
          SELECT set_config('crm.organizations', ${JSON.stringify(organizations)}, false),
            set_config('role', 'crm_tenant', false)
        `);
      }
      return null;
    },

    async beforePoolConnectionRelease(_context, connection) {
      if (bound.delete(connection)) {
        await connection.query(sql.unsafe`
          SELECT set_config('role', 'none', false), set_config('crm.organizations', '', false)
        `);
      }
      return null;
    },
  };
}
