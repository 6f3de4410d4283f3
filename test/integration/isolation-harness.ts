/** Logins with the roles of a test, and rows of several organizations in every table that holds any. */
import { randomUUID } from 'node:crypto';
import { type CommonQueryMethods, type DatabasePool, sql } from 'slonik';
import { onTestFinished } from 'vitest';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { createTestDatabase } from '../helpers/database.ts';

let count = 0;

/** A migrated database, and logins for it that are no more than their roles. */
export async function createGuardedDatabase() {
  const { url, pool: owner } = await createTestDatabase();

  /** @returns the URL of a new login, which is a member of these roles; it goes when the test does */
  async function login(...roles: string[]): Promise<{ name: string; url: string }> {
    count += 1;
    const name = `crm_test_login_${process.pid}_${count}`;
    await owner.query(sql.unsafe`CREATE ROLE ${sql.identifier([name])} LOGIN`);
    onTestFinished(async () => {
      await owner.query(sql.unsafe`DROP ROLE ${sql.identifier([name])}`);
    });
    for (const role of roles) {
      await owner.query(sql.unsafe`GRANT ${sql.identifier([role])} TO ${sql.identifier([name])}`);
    }
    const own = new URL(url);
    own.username = name;
    own.password = '';
    return { name, url: own.href };
  }

  /** A pool of such a login. */
  async function poolOf(roles: string[], options: { scoped?: boolean; poolSize?: number } = {}): Promise<DatabasePool> {
    const { url: own } = await login(...roles);
    return openPool(own, options);
  }

  return { url, owner, login, poolOf };
}

/** A pool that is closed when the test ends. */
export async function openPool(
  url: string,
  options: { scoped?: boolean; poolSize?: number } = {},
): Promise<DatabasePool> {
  const pool = await createDatabasePool({ url, ca: null, poolSize: 2, applicationName: 'crm-isolation', ...options });
  onTestFinished(() => pool.end());
  return pool;
}

/** One row of `organizationId` in every table that holds rows of organizations, and what it takes. */
export async function insertRowsOf(connection: CommonQueryMethods, organizationId: string): Promise<void> {
  const [id, run, replay] = [randomUUID(), randomUUID(), randomUUID()];
  const at = '2026-11-20T12:00:00Z';
  const filter = JSON.stringify({ organizationId });
  await connection.transaction(async (t) => {
    for (const [table, key] of [
      ['crm_leads_staging', 'lead_id'],
      ['crm_contacts_staging', 'contact_id'],
    ] as const) {
      await t.query(sql.unsafe`
        INSERT INTO analytics.${sql.identifier([table])} (
          id, event_id, ${sql.identifier([key])}, first_name, email, phone, organization_id, event_timestamp, event_type,
          ingestion_id
        )
        VALUES (${id}, ${id}, ${`${organizationId}-1`}, 'Ada', 'ada@example.com', '+49 30 901820', ${organizationId}, ${at},
          'lead.created', ${run})
      `);
    }
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_opportunities_staging (
        id, event_id, opportunity_id, name, organization_id, event_timestamp, event_type, ingestion_id
      )
      VALUES (${id}, ${id}, ${`${organizationId}-1`}, 'Deal', ${organizationId}, ${at}, 'opportunity.created', ${run})
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_sources (topic) VALUES ('crm.leads') ON CONFLICT DO NOTHING
    `);
    const source = sql.fragment`(SELECT source_id FROM analytics.crm_sources WHERE topic = 'crm.leads')`;
    const offset = sql.fragment`(SELECT COALESCE(max("offset"), 0) + 1 FROM analytics.crm_failed_events)`;
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_runs (run_id, kind, scope)
      VALUES (${run}, 'live', 'group'), (${replay}, 'replay', ${replay})
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_events_log (id, event_id, topic, partition, "offset", organization_id, event_timestamp, ingestion_id)
      VALUES (${id}, ${id}, 'crm.leads', 0, ${offset}, ${organizationId}, ${at}, ${run})
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_event_ledger (
        event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, run_id, content_hash
      )
      VALUES (${id}, ${organizationId}, 1, ${source}, 0, 1, ${at}, ${run}, 1)
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_overwritten_rows (entity, event_id, organization_id, row, replaced_by)
      VALUES (1, ${id}, ${organizationId}, '{}', ${run})
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_failed_events (
        source_id, topic, partition, "offset", status, error_code, error_message, event_id, organization_id,
        event_timestamp, record_timestamp, run_id
      )
      VALUES (${source}, 'crm.leads', 0, ${offset}, 'dead', 'invalid', 'data.email is no address', ${id},
        ${organizationId}, ${at}, 1, ${run})
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_redrives (redrive_id, action, filter, rate_per_second, status, last_failed_id, total, requested_by)
      VALUES (${randomUUID()}, 'redrive', ${filter}::jsonb, 1, 'finished', 1, 1, 'ann')
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_replays (replay_id, kind, source, mode, selection, filter, lanes, status, requested_by)
      VALUES (${replay}, 'replay', 'kafka', 'missing', '{}', ${filter}::jsonb, 1, 'running', 'ann')
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_replay_parts (replay_id, part, source_id, topic, partition, from_offset, to_offset, next_offset)
      VALUES (${replay}, 0, ${source}, 'crm.leads', 0, 0, 10, 0)
    `);
    await t.query(sql.unsafe`
      WITH position AS (
        INSERT INTO analytics.crm_positions (scope, source_id, partition, range_start, end_offset, next_offset, run_id)
        VALUES (${replay}, ${source}, 0, 0, 10, 5, ${replay})
        RETURNING position_id
      )
      INSERT INTO analytics.crm_batches (position_id, epoch, from_offset, next_offset, records, stored, run_id)
      SELECT position_id, 0, 0, 5, 5, 5, ${replay}::uuid FROM position
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_retention (parent, organization_id, keep_days, changed_by)
      VALUES ('crm_leads_staging', ${organizationId}, 30, 'ann')
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_legal_holds (organization_id, reason, placed_by) VALUES (${organizationId}, 'case', 'ann')
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_retired (parent, partition, organization_id, lower_bound, upper_bound, rows, how)
      VALUES ('crm_leads_staging', 'p', ${organizationId}, ${at}, ${at}, 1, 'deleted')
    `);
    const erasure = randomUUID();
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_erasures (erasure_id, subject, subject_kind, action, reason, requested_by)
      VALUES (${erasure}, ${JSON.stringify({ kind: 'records', entity: 'lead', ids: ['1'], organizationId })}::jsonb,
        'records', 'delete', 'asked', 'ann')
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_erasure_records (erasure_id, entity, record_id, organization_id, token)
      VALUES (${erasure}, 1, '1', ${organizationId}, 'erased-1')
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_parked_ranges (
        source_id, topic, partition, schema_id, reason, organization_id, from_offset, to_offset, records, run_id
      )
      VALUES (${source}, 'crm.leads', 0, 0, 'over_quota', ${organizationId}, 0, 1, 1, ${run})
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_quotas (organization_id, events_per_second, changed_by) VALUES (${organizationId}, 10, 'ann')
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_quota_buckets (organization_id, events_per_second, tokens, granted, filled_at)
      VALUES (${organizationId}, 10, 10, 0, now())
    `);
    await t.query(sql.unsafe`
      INSERT INTO analytics.crm_audit_log (
        sequence, at, kind, outcome, action_id, principal, principal_kind, subject, organizations, occurrences, hash
      )
      SELECT COALESCE(max(sequence), 0) + 1, clock_timestamp(), 'read', 'done', ${randomUUID()}::uuid, 'ann', 'token', '{}',
        ARRAY[${organizationId}], 1, decode(repeat('00', 32), 'hex')
      FROM analytics.crm_audit_log
    `);
  });
}

/** The tables that `insertRowsOf` gives one row each. */
export const OF_ORGANIZATIONS = [
  'crm_leads_staging',
  'crm_contacts_staging',
  'crm_opportunities_staging',
  'crm_events_log',
  'crm_event_ledger',
  'crm_overwritten_rows',
  'crm_failed_events',
  'crm_redrives',
  'crm_replays',
  'crm_replay_parts',
  'crm_positions',
  'crm_batches',
  'crm_retention',
  'crm_legal_holds',
  'crm_retired',
  'crm_erasures',
  'crm_erasure_records',
  'crm_parked_ranges',
  'crm_quotas',
  'crm_quota_buckets',
  'crm_audit_log',
] as const;
