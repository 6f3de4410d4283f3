// The limit: the rows are text already, PostgreSQL gets them by COPY, and nothing is checked, logged or remembered.
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { PARTITIONED_TABLES } from '../../adapters/postgres/partitions.ts';
import type { Backlog } from '../backlog.ts';
import { assertWritten, type Contestant } from './contestant.ts';
import { type CopyInput, copyInputs } from './copy-text.ts';

const CHUNK_BYTES = 65_536;

/** More of them only get in each other's way: with four COPY was slower than with two, on two cores. */
const CONNECTIONS = 2;

/** COPY into the three staging tables, on as many connections as serve it best. */
export function createCopy({ lanes, events: expected }: Backlog): Contestant {
  const ingestionId = randomUUID();
  const events = lanes.flatMap(({ batches }) =>
    batches.flatMap(({ deliveries }) => deliveries.map(({ event }) => event)),
  );
  const share = Math.ceil(events.length / CONNECTIONS);
  const inputs = Array.from({ length: CONNECTIONS }, (_, at) =>
    copyInputs(events.slice(at * share, (at + 1) * share), ingestionId),
  );
  return {
    name: 'copy',
    warmUps: 1,
    async run(databaseUrl) {
      const clients = inputs.map(() => new pg.Client({ connectionString: databaseUrl }));
      await Promise.all(clients.map((client) => client.connect()));
      try {
        const began = performance.now();
        const copies = inputs.map((tables, lane) => copyAll(clients[lane] as pg.Client, tables));
        const written = await Promise.all(copies);
        const seconds = (performance.now() - began) / 1000;
        assertWritten(
          'copy',
          written.reduce((sum, rows) => sum + rows, 0),
          expected,
        );
        return { events: expected, seconds, cpuPerMillion: null, peakRssBytes: null, historyEvents: null };
      } finally {
        await Promise.all(clients.map((client) => client.end()));
      }
    },
  };
}

/** @returns how many rows PostgreSQL took */
async function copyAll(client: pg.Client, inputs: readonly CopyInput[]): Promise<number> {
  let rows = 0;
  for (const { entity, columns, text } of inputs) {
    const copy = client.query(
      copyFrom(`COPY analytics.${PARTITIONED_TABLES[entity]} (${columns.join(', ')}) FROM STDIN`),
    );
    await pipeline(Readable.from(chunksOf(text)), copy);
    rows += copy.rowCount;
  }
  return rows;
}

function* chunksOf(text: Buffer): Generator<Buffer> {
  for (let at = 0; at < text.length; at += CHUNK_BYTES) yield text.subarray(at, at + CHUNK_BYTES);
}
