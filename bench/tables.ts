// What a contestant wrote to, as the catalog of its database tells: the work that was measured, whatever we say of it.
import pg from 'pg';

export interface WrittenTable {
  name: string;
  partitions: number;
  /** Such as "unique (event_id)". */
  indexes: string[];
  /** Checks and foreign keys. */
  constraints: number;
  rowSecurity: boolean;
  /** Whether its rows go to the WAL. */
  logged: boolean;
  /** Inserted or updated. */
  writes: number;
  /** Of all partitions, in bytes. */
  bytes: { rows: number; indexes: number };
}

export interface Written {
  tables: WrittenTable[];
  /** Of the server, such as "fsync on". */
  settings: string[];
}

const SETTINGS = [
  'fsync',
  'huge_pages_status', // from PostgreSQL 17 on
  'full_page_writes',
  'synchronous_commit',
  'wal_compression',
  'shared_buffers',
  'max_wal_size',
  'checkpoint_timeout',
];

/** Statistics are of this database alone, which was made for the run: what has writes was written to in it. */
const TABLES = `
  WITH leaf AS (
    SELECT c.oid, COALESCE(pg_partition_root(c.oid), c.oid::regclass) AS root, c.relpersistence = 'p' AS logged,
      s.n_tup_ins + s.n_tup_upd AS writes
    FROM pg_class c
    JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.relkind = 'r'
  )
  SELECT r.relname AS name, count(*) AS partitions, bool_and(leaf.logged) AS logged,
    r.relrowsecurity AS "rowSecurity", sum(leaf.writes) AS writes,
    sum(pg_table_size(leaf.oid)) AS rows, sum(pg_indexes_size(leaf.oid)) AS indexes_size,
    ARRAY(
      SELECT CASE WHEN i.indisunique THEN 'unique ' ELSE '' END
        || substring(pg_get_indexdef(i.indexrelid) FROM 'USING \\w+ (.*)$')
      FROM pg_index i WHERE i.indrelid = r.oid ORDER BY NOT i.indisprimary, i.indexrelid
    ) AS indexes,
    (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = r.oid AND k.contype IN ('c', 'f')) AS constraints
  FROM leaf
  JOIN pg_class r ON r.oid = leaf.root
  GROUP BY r.oid, r.relname, r.relrowsecurity
  HAVING sum(leaf.writes) > 0
  ORDER BY sum(leaf.writes) DESC, r.relname`;

type Row = Pick<WrittenTable, 'name' | 'logged' | 'rowSecurity' | 'indexes'> &
  Record<'partitions' | 'writes' | 'rows' | 'indexes_size' | 'constraints', string>;

/** Asks a database that was made for a run, when those who wrote to it have gone. */
export async function readWritten(databaseUrl: string): Promise<Written> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(TABLES);
    return {
      tables: rows.map(({ name, logged, rowSecurity, indexes, ...numbers }) => ({
        name,
        logged,
        rowSecurity,
        indexes,
        partitions: Number(numbers.partitions),
        constraints: Number(numbers.constraints),
        writes: Number(numbers.writes),
        bytes: { rows: Number(numbers.rows), indexes: Number(numbers.indexes_size) },
      })),
      settings: await settingsOf(client),
    };
  } finally {
    await client.end();
  }
}

async function settingsOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string; value: string }>(
    'SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1) ORDER BY name',
    [SETTINGS],
  );
  return rows.map(({ name, value }) => `${name} ${value}`);
}

/** Those of the server that decide how fast it writes, as a paragraph. */
export async function renderSettings(databaseUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return sentenceOf(await settingsOf(client));
  } finally {
    await client.end();
  }
}

const sentenceOf = (settings: readonly string[]) => `${settings.join(', ')}.`;

/** The set of features that a block's figures are of. */
export function renderWork({ tables, settings }: Written): string[] {
  const lines = tables.map(({ name, writes, partitions, constraints, rowSecurity, logged, indexes }) => {
    const parts = [
      `${writes.toLocaleString('en-US')} rows`,
      ...(partitions > 1 ? [`${partitions} partitions`] : []),
      ...(constraints > 0 ? [`checks and foreign keys: ${constraints}`] : []),
      ...(rowSecurity ? ['row security'] : []),
      ...(logged ? [] : ['unlogged']),
    ];
    return `- \`${name}\`: ${parts.join(', ')}; ${indexes.length === 0 ? 'no index' : indexes.join('; ')}`;
  });
  return [
    'What ours wrote to, by the catalog of its database: tables, whether they have row security, and their indexes.',
    lines.join('\n'),
    sentenceOf(settings),
  ];
}
