// Ours limited to what the rival does: the same topic of flat records into the same one table, by key. What it leaves out
// of the path is Temporal, the ledger, the log, the books, and the checks that only our own events can be given.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { Environment } from '../environment.ts';
import { peakRssBytes } from '../machine.ts';
import { flatRows, flatSpan } from '../peer/table.ts';
import { startChild } from './child.ts';
import { bestConnections, describeChoice } from './connections.ts';
import type { Contestant, Measurement } from './contestant.ts';
import { untilWritten } from './progress.ts';

const WORKER = fileURLToPath(new URL('same-worker.ts', import.meta.url));

/**
 * @param topic holds the events as flat records
 * @param candidates numbers of lanes with a connection each, of which the best is taken
 */
export function createSame(environment: Environment, topic: string, candidates: readonly number[]): Contestant {
  let lanes = candidates[0] ?? 1;

  async function write(databaseUrl: string, count: number, signal: AbortSignal): Promise<Measurement> {
    const { servers, logs, settings } = environment;
    const database = new pg.Client({ connectionString: databaseUrl });
    await database.connect();
    const env = {
      PATH: process.env.PATH ?? '',
      KAFKA_BROKERS: servers.KAFKA_BROKERS,
      SCHEMA_REGISTRY_URL: servers.SCHEMA_REGISTRY_URL,
      DATABASE_URL: databaseUrl,
      TOPIC: topic,
      LANES: String(count),
      MAX_RECORDS: String(settings.batchMaxRows),
    };
    const worker = await startChild(process.execPath, [WORKER], env, path.join(logs, 'same.log'));
    try {
      const cpuPerMillion = await untilWritten({
        name: 'same',
        pid: worker.pid,
        written: () => flatRows(database),
        pollMs: 500, // it counts all rows
        expected: settings.events,
        signal,
        assertAlive: worker.assertRunning,
      });
      const span = await flatSpan('same', database);
      return { ...span, cpuPerMillion, peakRssBytes: peakRssBytes(worker.pid), historyEvents: null };
    } finally {
      await worker.stop();
      await database.end();
    }
  }

  return {
    name: 'same',
    async warmUp(fresh, signal) {
      lanes = await bestConnections(candidates, fresh, (url, count) => write(url, count, signal), signal);
      return describeChoice(lanes, candidates);
    },
    run: (databaseUrl, signal) => write(databaseUrl, lanes, signal),
  };
}
