// What the demo reads back from PostgreSQL, to hold it against what it produced.
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';

const countsRow = z.object({
  leads: z.number(),
  contacts: z.number(),
  opportunities: z.number(),
  processed: z.number(),
  skipped: z.number(),
  /** failed, dead and filtered deliveries: a demo of valid events has none. */
  other: z.number(),
});

export type Counts = z.infer<typeof countsRow>;

export function readCounts(connection: CommonQueryMethods): Promise<Counts> {
  return connection.one(sql.type(countsRow)`
    SELECT
      (SELECT count(*) FROM analytics.crm_leads_staging) AS leads,
      (SELECT count(*) FROM analytics.crm_contacts_staging) AS contacts,
      (SELECT count(*) FROM analytics.crm_opportunities_staging) AS opportunities,
      count(*) FILTER (WHERE processing_status = 'processed') AS processed,
      count(*) FILTER (WHERE processing_status = 'skipped') AS skipped,
      count(*) FILTER (WHERE processing_status NOT IN ('processed', 'skipped')) AS other
    FROM analytics.crm_events_log
  `);
}

/** The database's clock, in epoch milliseconds: what `batchSpeed` counts from. */
export function databaseTime(connection: CommonQueryMethods): Promise<number> {
  return connection.oneFirst(sql.type(z.object({ now: z.number() }))`SELECT clock_timestamp() AS now`);
}

/**
 * Events per second between the first and the last batch committed since a moment, the first one's events left out;
 * null for fewer than two batches.
 */
export async function batchSpeed(connection: CommonQueryMethods, since: number): Promise<number | null> {
  const { events, seconds } = await connection.one(sql.type(
    z.object({ events: z.number(), seconds: z.number().nullable() }),
  )`
    WITH batches AS (
      SELECT records, committed_at, min(committed_at) OVER () AS first
      FROM analytics.crm_batches
      WHERE kind = 'batch' AND committed_at >= to_timestamp(${since / 1000})
    )
    SELECT COALESCE(sum(records) FILTER (WHERE committed_at > first), 0)::bigint AS events,
      extract(epoch FROM max(committed_at) - min(first))::float8 AS seconds
    FROM batches
  `);
  return seconds === null || seconds === 0 ? null : events / seconds;
}

export function difference(after: Counts, before: Counts): Counts {
  return {
    leads: after.leads - before.leads,
    contacts: after.contacts - before.contacts,
    opportunities: after.opportunities - before.opportunities,
    processed: after.processed - before.processed,
    skipped: after.skipped - before.skipped,
    other: after.other - before.other,
  };
}
