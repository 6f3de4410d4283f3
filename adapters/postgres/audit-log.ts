/** Looking things up in the audit log. */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import type { AuditLog, TrailSearch } from '../../activities/trail-ports.ts';
import type { ChainedEntry } from '../../domain/audit-trail.ts';
import { ENTRY_COLUMNS, entryRow } from './audit-trail-rows.ts';
import { texts } from './column-fragments.ts';
import { guarded } from './errors.ts';

export function createAuditLog(connection: CommonQueryMethods): AuditLog {
  return {
    list: (search, { before, limit }) =>
      guarded(async () => [
        ...(await connection.any(sql.type(entryRow)`
          SELECT ${ENTRY_COLUMNS}
          FROM analytics.crm_audit_log l
          WHERE ${sql.join([...conditions(search), sql.fragment`l.sequence < ${before ?? Number.MAX_SAFE_INTEGER}`], sql.fragment` AND `)}
          ORDER BY l.sequence DESC
          LIMIT ${limit}
        `)),
      ]),
  };
}

function* conditions(search: TrailSearch): Generator<FragmentSqlToken> {
  const { principal, organizationId, route, kind, outcome, actionId, requestId, from, to, organizations } = search;
  if (organizations !== null) {
    // Row security says the same. The first is what the index answers.
    yield sql.fragment`l.organizations && ${texts(organizations)}`;
    yield sql.fragment`l.organizations <@ ${texts(organizations)}`;
  }
  if (principal !== undefined) yield sql.fragment`l.principal = ${principal}`;
  if (organizationId !== undefined) yield sql.fragment`l.organizations && ${texts([organizationId])}`;
  if (route !== undefined) yield sql.fragment`l.route = ${route}`;
  if (kind !== undefined) yield sql.fragment`l.kind = ${kind}`;
  if (outcome !== undefined) yield sql.fragment`l.outcome = ${outcome}`;
  if (actionId !== undefined) yield sql.fragment`l.action_id = ${actionId}`;
  if (requestId !== undefined) yield sql.fragment`l.request_id = ${requestId}`;
  if (from !== undefined) yield sql.fragment`l.at >= ${from}::timestamptz`;
  if (to !== undefined) yield sql.fragment`l.at < ${to}::timestamptz`;
}

/** Entries in order, for whoever checks the chain. @throws WriteError */
export async function entriesAfter(
  connection: CommonQueryMethods,
  sequence: number,
  limit: number,
): Promise<readonly ChainedEntry[]> {
  return guarded(() =>
    connection.any(sql.type(entryRow)`
      SELECT ${ENTRY_COLUMNS}
      FROM analytics.crm_audit_log l
      WHERE l.sequence >= ${sequence}
      ORDER BY l.sequence, l.at
      LIMIT ${limit}
    `),
  );
}
