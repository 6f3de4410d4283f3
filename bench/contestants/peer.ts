// The rival: Kafka Connect with the Debezium JDBC sink, from the same Kafka into the same PostgreSQL.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { peakRssBytes } from '../machine.ts';
import type { Connect } from '../peer/connect.ts';
import { PEER_TABLE } from '../peer/table.ts';
import type { Contestant } from './contestant.ts';
import { untilWritten } from './progress.ts';

/** @param topic holds the events as flat records */
export function createPeer(connect: Connect, topic: string, expected: number): Contestant {
  return {
    name: 'peer',
    warmUps: 2, // a JVM that has just started is about half as fast
    async run(databaseUrl, signal) {
      const database = new pg.Client({ connectionString: databaseUrl });
      await database.connect();
      const name = `bench-${randomUUID().slice(0, 8)}`;
      try {
        await connect.startSink(name, topic, databaseUrl);
        const cpuPerMillion = await untilWritten({
          name: 'peer',
          pid: connect.pid,
          written: () => rowsOf(database),
          pollMs: 500, // it counts all rows
          expected,
          signal,
          assertAlive: () => connect.assertRunningWell(name),
        });
        return {
          ...(await span(database)),
          cpuPerMillion,
          peakRssBytes: peakRssBytes(connect.pid),
          historyEvents: null,
        };
      } finally {
        await connect.deleteSink(name).catch(() => {}); // it may have died, which the error under way tells
        await database.end();
      }
    },
  };
}

async function rowsOf(database: pg.Client): Promise<number> {
  const { rows } = await database.query<{ count: string }>(`SELECT count(*) FROM ${PEER_TABLE}`);
  return Number(rows[0]?.count);
}

/** Rows and time between the beginnings of the first and of the last transaction. */
async function span(database: pg.Client): Promise<{ events: number; seconds: number }> {
  const { rows } = await database.query<{ events: string; seconds: string }>(`
    WITH bounds AS (SELECT min(processed_at) AS first, max(processed_at) AS last FROM ${PEER_TABLE})
    SELECT count(*) FILTER (WHERE processed_at < last) AS events, extract(epoch FROM last - first) AS seconds
    FROM ${PEER_TABLE}, bounds GROUP BY first, last`);
  const [found] = rows;
  if (found === undefined || Number(found.seconds) === 0) {
    throw new Error('peer: fewer than two transactions, too few events to tell a rate');
  }
  return { events: Number(found.events), seconds: Number(found.seconds) };
}
