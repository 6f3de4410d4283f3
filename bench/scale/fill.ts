// Rows as earlier events would have left them, made by the server itself: ids are random, and times anywhere in the days
// that are asked for.
import pg from 'pg';

export interface Filling {
  /** Rows of the ledger. */
  events: number;
  /** Whether the staging tables and the events log get their rows too. */
  tables: 'all' | 'ledger';
  /** Epoch milliseconds between which the events lie. */
  from: number;
  to: number;
}

/** What an event takes on disk, in bytes: measured, with indexes and some room. */
export const FILLED_BYTES: Record<Filling['tables'], number> = { all: 1_300, ledger: 300 };

const CHUNK_ROWS = 100_000;
/** One for each core of a small machine: more would wait for each other's pages. */
const CONNECTIONS = 2;

/** Every tenth part as the generator has it: three about leads, two about contacts, five about opportunities. */
const EVENTS = `
  WITH e AS MATERIALIZED (
    SELECT gen_random_uuid()::text AS event_id, gen_random_uuid() AS id, gen_random_uuid()::text AS entity_id,
      'org-' || (1 + n % 5) AS organization_id, n, n % 10 AS kind,
      to_timestamp(($3::float8 + random() * ($4::float8 - $3::float8)) / 1000) AS at,
      (random() * 9e15)::bigint AS hash
    FROM generate_series($1::bigint, $2::bigint) n
  )`;

const LEDGER = `
  INSERT INTO analytics.crm_event_ledger (
    event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, run_id, content_hash
  )
  SELECT event_id, organization_id, CASE WHEN kind < 3 THEN 1 WHEN kind < 5 THEN 2 ELSE 3 END, 0, n % 6, n / 6, at,
    '00000000-0000-4000-8000-000000000000', hash
  FROM e`;

const PERSON = `'Given', 'Family name', 'given.family.' || n || '@example.com', '+49 30 ' || n, 'A company Ltd'`;
const COMMON = `organization_id, at, id, '00000000-0000-4000-8000-000000000000', at, at,
  '{"source": "crm-outbox", "version": "1.0"}'`;
const COMMON_COLUMNS = 'organization_id, event_timestamp, id, ingestion_id, created_at, updated_at, metadata';

const STAGING_AND_LOG = `
  , leads AS (
    INSERT INTO analytics.crm_leads_staging (
      event_id, lead_id, first_name, last_name, email, phone, company, event_type, source, status, ${COMMON_COLUMNS}
    )
    SELECT event_id, entity_id, ${PERSON}, 'lead.updated', 'web', 'qualified', ${COMMON} FROM e WHERE kind < 3
  ), contacts AS (
    INSERT INTO analytics.crm_contacts_staging (
      event_id, contact_id, first_name, last_name, email, phone, company, event_type, ${COMMON_COLUMNS}
    )
    SELECT event_id, entity_id, ${PERSON}, 'contact.updated', ${COMMON} FROM e WHERE kind IN (3, 4)
  ), opportunities AS (
    INSERT INTO analytics.crm_opportunities_staging (
      event_id, opportunity_id, name, amount, currency, stage, probability, event_type, ${COMMON_COLUMNS}
    )
    SELECT event_id, entity_id, 'A company Ltd – 100 licences', n % 1000000, 'EUR', 'proposal', 60,
      'opportunity.updated', ${COMMON}
    FROM e WHERE kind > 4
  ), logged AS (
    INSERT INTO analytics.crm_events_log (
      id, event_id, event_type, topic, partition, "offset", organization_id, event_timestamp, ingestion_id
    )
    SELECT id, event_id, 'lead.updated', 'crm.earlier', n % 6, n / 6, organization_id, at,
      '00000000-0000-4000-8000-000000000000'
    FROM e
  )`;

/** Fills a migrated database whose partitions are there. @throws the signal's reason */
export async function fillTables(
  databaseUrl: string,
  { events, tables, from, to }: Filling,
  signal: AbortSignal,
): Promise<void> {
  const text = `${EVENTS}${tables === 'all' ? STAGING_AND_LOG : ''}${LEDGER}`;
  let next = 0;

  async function fill(): Promise<void> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      await client.query("SET work_mem = '256MB'; SET synchronous_commit = off");
      while (next < events) {
        signal.throwIfAborted();
        const first = next;
        next = Math.min(events, first + CHUNK_ROWS);
        await client.query(text, [first, next - 1, from, to]);
      }
    } finally {
      await client.end();
    }
  }

  await Promise.all(Array.from({ length: CONNECTIONS }, fill));
  await vacuum(databaseUrl);
}

/** Does what autovacuum would begin some time after many rows were written, and be measured with. */
export async function vacuum(databaseUrl: string): Promise<void> {
  await query(databaseUrl, 'VACUUM (ANALYZE)');
}

/**
 * Reads all indexes into the server's buffers. There they are where these rows have just been written; here other
 * databases have taken their place since.
 */
export async function warmIndexes(databaseUrl: string): Promise<void> {
  await query(databaseUrl, 'CREATE EXTENSION IF NOT EXISTS pg_prewarm');
  await query(
    databaseUrl,
    "SELECT pg_prewarm(i.oid) FROM pg_class i WHERE relkind = 'i' AND pg_relation_size(i.oid) > 0",
  );
}

async function query(databaseUrl: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
