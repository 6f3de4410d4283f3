// The limit: the rows are text already, PostgreSQL gets them by COPY, and nothing is checked, logged or remembered.
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { PARTITIONED_TABLES } from '../../adapters/postgres/partitions.ts';
import type { BacklogLane } from '../backlog.ts';
import { bestConnections, dealOut, describeChoice } from './connections.ts';
import { assertWritten, type Contestant, type Measurement } from './contestant.ts';
import { type CopyInput, copyInputs } from './copy-text.ts';

const CHUNK_BYTES = 65_536;

/** COPY into the three staging tables. @param candidates numbers of connections, of which the best is taken */
export function createCopy(lanes: readonly BacklogLane[], expected: number, candidates: readonly number[]): Contestant {
  const shares = sharesOf(lanes, Math.max(...candidates));
  let connections = candidates[0] ?? 1;

  async function write(databaseUrl: string, count: number): Promise<Measurement> {
    const inputs = dealOut(shares, count).map((own) => own.flat());
    const clients = inputs.map((own) => ({ own, client: new pg.Client({ connectionString: databaseUrl }) }));
    await Promise.all(clients.map(({ client }) => client.connect()));
    try {
      const began = performance.now();
      const copies = clients.map(({ client, own }) => copyAll(client, own));
      const rows = await Promise.all(copies);
      const seconds = (performance.now() - began) / 1000;
      const written = rows.reduce((sum, count) => sum + count, 0);
      assertWritten('copy', written, expected);
      return { events: expected, seconds, cpuPerMillion: null, peakRssBytes: null, historyEvents: null };
    } finally {
      await Promise.all(clients.map(({ client }) => client.end()));
    }
  }

  return {
    name: 'copy',
    async warmUp(fresh, signal) {
      connections = await bestConnections(candidates, fresh, write, signal);
      return describeChoice(connections, candidates);
    },
    run: (databaseUrl) => write(databaseUrl, connections),
  };
}

/** The events in so many equal parts, as text. */
function sharesOf(lanes: readonly BacklogLane[], count: number): CopyInput[][] {
  const ingestionId = randomUUID();
  const events = lanes.flatMap(({ batches }) =>
    batches.flatMap(({ deliveries }) => deliveries.map(({ event }) => event)),
  );
  const size = Math.ceil(events.length / count);
  return Array.from({ length: count }, (_, at) => copyInputs(events.slice(at * size, (at + 1) * size), ingestionId));
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
