// The one table that the rival fills, and `same` with it.
import pg from 'pg';

const DAY_MS = 86_400_000;

/** Name of the template with the table. */
export const PEER = 'flat';

export const PEER_TABLE = 'crm_events_staging';

/** Where `same` keeps what Kafka Connect keeps in its consumer group. */
export const FLAT_POSITIONS = 'crm_events_positions';

/**
 * Makes the table, partitioned by day and keyed like our staging tables, its columns of their types, with a partition for
 * each day from `from` to the one after `to` (epoch milliseconds), since records may be sent past midnight.
 */
export async function createPeerTable(databaseUrl: string, from: number, to: number): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    await client.query(`
      CREATE TABLE ${PEER_TABLE} (
        event_id varchar(255) COLLATE "C" NOT NULL,
        event_type varchar(50) NOT NULL,
        organization_id varchar(100) COLLATE "C" NOT NULL,
        event_timestamp timestamptz NOT NULL,
        source varchar(100),
        version varchar(50),
        correlation_id varchar(255),
        data jsonb NOT NULL,
        processed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (event_timestamp, event_id)
      ) PARTITION BY RANGE (event_timestamp);
      CREATE TABLE ${FLAT_POSITIONS} (partition int PRIMARY KEY, next_offset bigint NOT NULL)`);
    for (let day = Math.floor(from / DAY_MS); day <= Math.floor(to / DAY_MS) + 1; day += 1) {
      await client.query(`
        CREATE TABLE ${PEER_TABLE}_${day} PARTITION OF ${PEER_TABLE}
        FOR VALUES FROM ('${dayStart(day)}') TO ('${dayStart(day + 1)}')`);
    }
  });
}

const dayStart = (day: number) => new Date(day * DAY_MS).toISOString();

/** How many rows the table has. It counts them all. */
export async function flatRows(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: string }>(`SELECT count(*) FROM ${PEER_TABLE}`);
  return Number(rows[0]?.count);
}

/**
 * Rows and seconds between the beginnings of the first and of the last transaction.
 * @throws Error for fewer than two transactions
 */
export async function flatSpan(name: string, client: pg.Client): Promise<{ events: number; seconds: number }> {
  const { rows } = await client.query<{ events: string; seconds: string }>(`
    WITH bounds AS (SELECT min(processed_at) AS first, max(processed_at) AS last FROM ${PEER_TABLE})
    SELECT count(*) FILTER (WHERE processed_at < last) AS events, extract(epoch FROM last - first) AS seconds
    FROM ${PEER_TABLE}, bounds GROUP BY first, last`);
  const [found] = rows;
  if (found === undefined || Number(found.seconds) === 0) {
    throw new Error(`${name}: fewer than two transactions tell no rate, ask for more --events`);
  }
  return { events: Number(found.events), seconds: Number(found.seconds) };
}

async function withClient<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
