/**
 * Months of the audit log leave as a whole at its old end. That they did is an entry of the log itself, written in the
 * transaction that drops the month: it holds the hash that the rest of the chain begins with.
 */
import { randomUUID } from 'node:crypto';
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import { chainAfter, type TrailDigest } from '../../domain/audit-trail.ts';
import { insertAfter, readHead } from './audit-trail-rows.ts';
import { whenUnlocked } from './maintenance-patience.ts';
import { type MaintenanceSession, within } from './maintenance-session.ts';

/** In milliseconds. Whoever changes something through the API waits meanwhile. */
const BRIEF = { lockMs: 100, statementMs: 1_000 };

/** From the current one on. */
const MONTHS_AHEAD = 2;

const oldestRow = z.object({
  partition: z.string().nullable(),
  firstSequence: z.number().nullable(),
  lastSequence: z.number().nullable(),
  lastHash: z.string().nullable(),
});

/** @see MaintenanceWork.keepAuditLog */
export async function keepAuditLog(
  session: MaintenanceSession,
  { keepDays, digest }: { keepDays: number; digest: TrailDigest },
): Promise<void> {
  for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead += 1) {
    await session.change(sql.unsafe`
      SELECT analytics.crm_audit_log_ensure(
        (date_trunc('month', now() AT TIME ZONE 'UTC') + ${ahead} * interval '1 month') AT TIME ZONE 'UTC'
      )
    `);
  }
  const past = await pastRetention(session.connection, keepDays);
  if (past.length > 0 && digest.keyId === null && (await hasKey(session.connection))) {
    session.count('refused', 1);
    session.note('The audit log keeps all its months: it has a key, and this worker has no AUDIT_CHAIN_KEY_FILE');
    return;
  }
  for (const partition of past) {
    if (session.signal.aborted) return;
    if (session.dryRun) {
      await session.change(sql.unsafe`SELECT analytics.crm_audit_log_drop(${partition})`);
      session.count('dropped', 1);
      continue;
    }
    const entries = await whenUnlocked(session.signal, () =>
      within(session.connection, BRIEF, (transaction) => dropOldest(transaction, keepDays, digest)),
    );
    if (entries === null) {
      session.note(`${partition} stays for now, the audit log was never free for a moment: the next run tries again`);
      return;
    }
    session.count('dropped', 1);
    session.count('entries', entries);
  }
}

function pastRetention(connection: CommonQueryMethods, keepDays: number): Promise<readonly string[]> {
  return connection.anyFirst(sql.type(z.object({ partition: z.string() }))`
    SELECT partition FROM analytics.crm_audit_log_months WHERE ends <= ${cutoff(keepDays)} ORDER BY begins
  `);
}

/** An entry without a key behind one with a key would be taken for tampering. */
async function hasKey(connection: CommonQueryMethods): Promise<boolean> {
  const last = await connection.maybeOne(sql.type(z.object({ keyId: z.string().nullable() }))`
    SELECT key_id AS "keyId" FROM analytics.crm_audit_log ORDER BY sequence DESC LIMIT 1
  `);
  return last !== null && last.keyId !== null;
}

function cutoff(keepDays: number) {
  return sql.fragment`date_trunc('day', now(), 'UTC') - ${keepDays} * interval '1 day'`;
}

/** @returns how many entries left */
async function dropOldest(transaction: CommonQueryMethods, keepDays: number, digest: TrailDigest): Promise<number> {
  const { partition, firstSequence, lastSequence, lastHash } = await transaction.one(sql.type(oldestRow)`
    SELECT partition, first_sequence AS "firstSequence", last_sequence AS "lastSequence",
      encode(last_hash, 'hex') AS "lastHash"
    FROM analytics.crm_audit_log_oldest(${cutoff(keepDays)})
  `);
  if (partition === null) return 0;
  const entries = firstSequence === null || lastSequence === null ? 0 : lastSequence - firstSequence + 1;
  if (lastSequence !== null && lastHash !== null) {
    await tell(transaction, { through: lastSequence, hash: lastHash, entries, keepDays }, digest);
  }
  await transaction.query(sql.unsafe`SELECT analytics.crm_audit_log_drop(${partition})`);
  return entries;
}

async function tell(
  transaction: CommonQueryMethods,
  subject: { through: number; hash: string; entries: number; keepDays: number },
  digest: TrailDigest,
): Promise<void> {
  const head = await readHead(transaction, { lock: true });
  const entry = {
    kind: 'retention',
    outcome: 'done',
    actionId: randomUUID(),
    principal: 'maintenance',
    principalKind: 'system',
    permission: null,
    method: null,
    route: null,
    subject,
    organizations: null,
    status: null,
    problem: null,
    requestId: null,
    clientAddress: null,
    occurrences: 1,
  } as const;
  const at = new Date(Math.max(head.at, head.now)).toISOString();
  await insertAfter(transaction, head, chainAfter(head, [entry], at, digest));
}
