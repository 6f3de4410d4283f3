import pg from 'pg';

const DAY_MS = 86_400_000;

export const PEER_TABLE = 'crm_events_staging';

/**
 * Makes the one table that the rival fills, partitioned by day like ours, with a partition for each day from `from` to
 * `to` (epoch milliseconds). Its key holds the event time because PostgreSQL demands it.
 */
export async function createPeerTable(databaseUrl: string, from: number, to: number): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(`
      CREATE TABLE ${PEER_TABLE} (
        event_id uuid NOT NULL,
        event_type text NOT NULL,
        organization_id text NOT NULL,
        event_timestamp timestamptz NOT NULL,
        source text,
        version text,
        correlation_id text,
        data jsonb NOT NULL,
        processed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (event_id, event_timestamp)
      ) PARTITION BY RANGE (event_timestamp)`);
    for (let day = Math.floor(from / DAY_MS); day <= Math.floor(to / DAY_MS); day += 1) {
      await client.query(`
        CREATE TABLE ${PEER_TABLE}_${day} PARTITION OF ${PEER_TABLE}
        FOR VALUES FROM ('${dayStart(day)}') TO ('${dayStart(day + 1)}')`);
    }
  } finally {
    await client.end();
  }
}

const dayStart = (day: number) => new Date(day * DAY_MS).toISOString();
