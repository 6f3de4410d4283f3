// In which form thousands of rows reach PostgreSQL for the least of its CPU: why rows.ts is as it is.
import pg from 'pg';
import { textArray } from '../../adapters/postgres/binary-array.ts';
import { positive } from '../command.ts';
import { cpuSecondsOf, watchOthers } from '../machine.ts';
import { ratioCells } from '../ratios.ts';
import { table } from '../report.ts';
import { type Servers, withServers } from '../servers.ts';
import { spreadOf } from '../statistics.ts';
import type { CommonOptions, Suite } from './suite.ts';

interface Options extends CommonOptions {
  rounds: number;
}

interface Form {
  name: string;
  /** The FROM clause. */
  from: string;
  parameters: Array<string | Buffer>;
}

const ROWS = 5_000;
const COLUMNS = 20;
/** CPU is told in hundredths of a second: one statement is too short. */
const REPEATED = 20;
const NAMES = Array.from({ length: COLUMNS }, (_, index) => `c${index}`);

export const columns: Suite<Options> = {
  name: 'columns',
  summary: 'In which form columns reach PostgreSQL for the least CPU',
  configure(command) {
    command.option('--rounds <n>', 'how often', positive, 9);
  },
  async run({ rounds, databaseUrl, keep }, { log, report }) {
    await withServers({ databaseUrl, keep, log }, async (servers) => {
      const others = watchOthers(servers.pids.all);
      const rows = await measure(servers, rounds);
      await report({
        paragraphs: [
          table(['CPU of PostgreSQL / the first form', 'min', 'median', 'max'], rows),
          `${COLUMNS} columns of text, ${ROWS.toLocaleString('en-US')} rows a statement, without nulls; rounds: ${rounds}.`,
        ],
        versions: servers.versions,
        others: [others()],
      });
    });
  },
};

async function measure({ databases, signal }: Servers, rounds: number): Promise<string[][]> {
  await databases.template('columns', async () => {});
  const client = new pg.Client({ connectionString: await databases.fresh('columns') });
  await client.connect();
  try {
    const forms = await formsFor(client);
    const found = new Map<string, number[]>(forms.map(({ name }) => [name, []]));
    for (let round = 0; round <= rounds; round += 1) {
      const seconds = new Map<string, number>();
      for (const form of forms) {
        signal.throwIfAborted();
        seconds.set(form.name, await cpuOf(client, form));
      }
      const base = seconds.get(forms[0]?.name ?? '') ?? Number.NaN;
      if (round === 0) continue; // the first is for the caches
      for (const [name, value] of seconds) found.get(name)?.push(value / base);
    }
    return [...found].map(([name, ratios]) => [name, ...ratioCells(spreadOf(ratios))]);
  } finally {
    await client.end();
  }
}

async function cpuOf(client: pg.Client, { from, parameters }: Form): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const backend = rows.map(({ pid }) => pid);
  const cast = NAMES.map((name) => `${name}::varchar(255)`).join(', ');
  const before = cpuSecondsOf(backend);
  for (let time = 0; time < REPEATED; time += 1) {
    await client.query(`SELECT count(*), max(c0) FROM (SELECT ${cast} FROM ${from} OFFSET 0) r`, parameters);
  }
  const after = cpuSecondsOf(backend);
  if (before === null || after === null) throw new Error('this suite needs Linux and a PostgreSQL on this machine');
  return after - before;
}

async function formsFor(client: pg.Client): Promise<Form[]> {
  const values = NAMES.map((name) => Array.from({ length: ROWS }, (_, row) => `value ${row} of ${name}`));
  const text = values.map((column) => `{"${column.join('","')}"}`);
  const binary = values.map((column) => textArray(column));
  const arrays = NAMES.map((_, index) => `$${index + 1}::text[]`);
  const inFrom = `unnest(${arrays.join(', ')}) AS u(${NAMES.join(', ')})`;
  const inSelect = `(SELECT ${arrays.map((array, index) => `unnest(${array}) AS c${index}`).join(', ')}) u`;
  return [
    { name: 'arrays as text, unnested in FROM', from: inFrom, parameters: text },
    { name: 'arrays in binary, unnested in FROM', from: inFrom, parameters: binary },
    { name: 'arrays as text, unnested in a SELECT list', from: inSelect, parameters: text },
    { name: 'arrays in binary, unnested in a SELECT list', from: inSelect, parameters: binary },
    {
      name: 'one array of a row type, in binary',
      from: 'unnest($1::bench_row[]) u',
      parameters: [await rowArray(client, values)],
    },
    {
      name: 'one jsonb, jsonb_to_recordset',
      from: `jsonb_to_recordset($1::jsonb) AS u(${NAMES.map((name) => `${name} text`).join(', ')})`,
      parameters: [jsonOf(values)],
    },
  ];
}

const jsonOf = (values: readonly string[][]): string =>
  JSON.stringify(
    Array.from({ length: ROWS }, (_, row) =>
      Object.fromEntries(NAMES.map((name, column) => [name, values[column]?.[row] ?? null])),
    ),
  );

/** As record_recv reads it: the number of columns, then for each its type, its length and its value. */
async function rowArray(client: pg.Client, values: readonly string[][]): Promise<Buffer> {
  await client.query(`CREATE TYPE bench_row AS (${NAMES.map((name) => `${name} text`).join(', ')})`);
  const { rows } = await client.query<{ oid: string }>(`SELECT 'bench_row'::regtype::oid AS oid`);
  const type = Number(rows[0]?.oid);
  const parts: Buffer[] = [words([1, 0, type, ROWS, 1])];
  for (let row = 0; row < ROWS; row += 1) {
    const fields = values.flatMap((column) => {
      const value = Buffer.from(column[row] ?? '');
      return [words([25, value.length]), value];
    });
    const length = fields.reduce((sum, field) => sum + field.length, 4);
    parts.push(words([length, COLUMNS]), ...fields);
  }
  return Buffer.concat(parts);
}

function words(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeInt32BE(value, index * 4);
  return bytes;
}
