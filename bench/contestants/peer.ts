// The rival: Kafka Connect with the Debezium JDBC sink, from the same Kafka into the same PostgreSQL.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { peakRssBytes } from '../machine.ts';
import type { Connect } from '../peer/connect.ts';
import { flatRows, flatSpan } from '../peer/table.ts';
import type { Contestant } from './contestant.ts';
import { untilWritten } from './progress.ts';

/** A JVM that has just started is about half as fast. */
const WARM_UPS = 2;

/** @param topic holds the events as flat records */
export function createPeer(connect: Connect, topic: string, expected: number): Contestant {
  const peer: Contestant = {
    name: 'peer',
    async warmUp(fresh, signal) {
      for (let pass = 0; pass < WARM_UPS; pass += 1) await peer.run(await fresh(), signal);
      return null;
    },
    async run(databaseUrl, signal) {
      const database = new pg.Client({ connectionString: databaseUrl });
      await database.connect();
      const name = `bench-${randomUUID().slice(0, 8)}`;
      try {
        await connect.startSink(name, topic, databaseUrl);
        const cpuPerMillion = await untilWritten({
          name: 'peer',
          pid: connect.pid,
          written: () => flatRows(database),
          pollMs: 500, // it counts all rows
          expected,
          signal,
          assertAlive: () => connect.assertRunningWell(name),
        });
        return {
          ...(await flatSpan('peer', database)),
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
  return peer;
}
