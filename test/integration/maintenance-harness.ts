import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { sql } from 'slonik';
import { z } from 'zod';
import type { MaintenanceWork, PruneOptions, StepOptions, StepReport } from '../../activities/maintenance-ports.ts';
import { createLegalHolds } from '../../adapters/postgres/legal-holds.ts';
import { createMaintenanceWork } from '../../adapters/postgres/maintenance.ts';
import { createRetentionRules } from '../../adapters/postgres/retention.ts';
import { createTestStore } from '../helpers/lane-store.ts';

export const DAY_MS = 86_400_000;

/** Noon of the UTC day so many days ago. */
export function daysAgo(days: number): Date {
  return new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS - days * DAY_MS + DAY_MS / 2);
}

type Steps = Exclude<keyof MaintenanceWork, 'measure' | 'ledgerTopics' | 'keepAuditLog'>;

/** The steps of maintenance over a database of its own. */
export async function openMaintenance() {
  const { pool, url, store, runId } = await createTestStore();
  const work = createMaintenanceWork(pool, { interval: 'day', ahead: 2 });
  const options: StepOptions & PruneOptions & { runId: string } = {
    dryRun: false,
    maintenanceWindow: false,
    signal: new AbortController().signal,
    progress: () => {},
    keepDays: 30,
    runId: randomUUID(),
  };
  const count = (from: string) =>
    pool.oneFirst(sql.type(z.object({ count: z.number() }))`SELECT count(*) FROM ${sql.identifier(from.split('.'))}`);

  /** Rows of leads as a bulk load would write them, whatever partitions there are. */
  async function insertLeads(at: Date, rows: number, organizationId = 'org-1'): Promise<void> {
    await pool.query(sql.unsafe`
      INSERT INTO analytics.crm_leads_staging (
        id, event_id, lead_id, organization_id, event_timestamp, event_type, metadata, ingestion_id
      )
      SELECT md5(random()::text)::uuid, ${randomUUID()} || n, 'lead-' || n, ${organizationId},
        ${at.toISOString()}::timestamptz + n % 1000 * interval '1 second', 'lead.created', '{"a": 1}', ${runId}
      FROM generate_series(1, ${rows}) n
    `);
  }

  return {
    pool,
    url,
    store,
    runId,
    work,
    rules: createRetentionRules(pool),
    holds: createLegalHolds(pool),
    count,
    insertLeads,
    step: (name: Steps, over: Partial<typeof options> = {}): Promise<StepReport> => work[name]({ ...options, ...over }),
    /** Rows of leads by the partition that they are in, as whoever reads the table sees them. */
    async whereLeadsAre(): Promise<Record<string, number>> {
      const rows = await pool.any(sql.type(z.object({ partition: z.string(), rows: z.number() }))`
        SELECT tableoid::regclass::text AS partition, count(*) AS rows FROM analytics.crm_leads_staging GROUP BY 1
      `);
      return Object.fromEntries(rows.map(({ partition, rows }) => [partition.replace('analytics.', ''), rows]));
    },
    retired: () =>
      pool.any(sql.type(
        z.object({ partition: z.string(), organizationId: z.string().nullable(), rows: z.number(), how: z.string() }),
      )`
        SELECT partition, organization_id AS "organizationId", rows, how FROM analytics.crm_retired ORDER BY retired_id
      `),
  };
}

/** The name of the partition of leads that holds a day. */
export function leadsOf(at: Date): string {
  return `crm_leads_staging_p${at.toISOString().slice(0, 10).replaceAll('-', '')}`;
}

/** A connection of somebody else. */
export async function elsewhere<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
