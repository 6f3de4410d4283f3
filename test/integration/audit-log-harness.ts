import type { MiddlewareHandler } from 'hono';
import { sql } from 'slonik';
import { z } from 'zod';
import { createAuditLog } from '../../adapters/postgres/audit-log.ts';
import { entryRow } from '../../adapters/postgres/audit-trail-rows.ts';
import { createTrailMiddleware } from '../../api/audit-trail.ts';
import type { ApiEnv } from '../../api/env.ts';
import { ProblemError } from '../../api/errors.ts';
import type { ApiDeps } from '../../api/ports.ts';
import { createUnidentified } from '../../api/unidentified.ts';
import type { ChainedEntry } from '../../domain/audit-trail.ts';
import { permissionsOf } from '../../domain/permissions.ts';
import { createTestApp } from '../unit/api/app-under-test.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';
import { KEY, openLog } from './audit-trail-harness.ts';

const identity = z.object({
  name: z.string(),
  roles: z.array(z.string()),
  organizations: z.array(z.string()).nullable(),
});
export type Identity = z.infer<typeof identity>;

/** Whoever a header says; nobody without. */
const byHeader: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const header = c.req.header('x-test-identity');
  if (header === undefined) throw new ProblemError('unauthorized', 'Say who you are.');
  const { name, roles, organizations } = identity.parse(JSON.parse(header));
  c.set('principal', { name, kind: 'token', permissions: permissionsOf(roles), organizations });
  await next();
};

/** The app over a real audit log; the servers behind its other routes live in memory. */
export async function openAuditedApp(overrides: Partial<ApiDeps> = {}) {
  const { trail, pool, admin, verify } = await openLog(0, KEY);
  const logger = recordingLogger();
  const unidentified = createUnidentified(trail, logger);
  const addressOf = () => '192.0.2.7';
  const { app, control } = createTestApp({
    authenticate: byHeader,
    auditLog: createAuditLog(pool),
    auditTrail: createTrailMiddleware({ trail, unidentified, addressOf, networkOf: addressOf, logger }),
    ...overrides,
  });

  function request(method: string, path: string, json?: unknown, headers: Record<string, string> = {}) {
    return app.request(path, {
      method,
      headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    });
  }

  return {
    control,
    pool,
    admin,
    verify,
    logger,
    unidentified,
    ask(who: Partial<Identity>, method: string, path: string, json?: unknown, headers: Record<string, string> = {}) {
      const whole = { name: 'ann', roles: ['admin'], organizations: null, ...who };
      return request(method, `/api/v1/crm-ingestion${path}`, json, {
        'x-test-identity': JSON.stringify(whole),
        ...headers,
      });
    },
    request,
    async entries(): Promise<ChainedEntry[]> {
      const rows = await pool.any(sql.type(entryRow)`
        SELECT sequence, at, kind, outcome, action_id AS "actionId", principal, principal_kind AS "principalKind",
          permission, method, route, subject, organizations, status, problem, request_id AS "requestId",
          client_address AS "clientAddress", occurrences, key_id AS "keyId", encode(hash, 'hex') AS hash
        FROM analytics.crm_audit_log ORDER BY sequence
      `);
      return [...rows];
    },
    /** Until it is called again the log can't be written. */
    async breakLog(work: () => Promise<void>) {
      await admin.query('ALTER TABLE analytics.crm_audit_log_head RENAME TO away');
      await work();
      await admin.query('ALTER TABLE analytics.away RENAME TO crm_audit_log_head');
    },
  };
}
