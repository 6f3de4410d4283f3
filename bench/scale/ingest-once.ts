// One measured reading of topics that are full already, into a database.
import pg from 'pg';
import { readBooks, recordsOf } from '../contestants/books.ts';
import { untilWritten } from '../contestants/progress.ts';
import type { Environment } from '../environment.ts';
import type { Topics } from '../events/topics.ts';
import { startIngestion } from '../latency/ingestion.ts';

export interface Reading {
  topics: Topics;
  /** As many events, read before what is measured. */
  before?: Topics;
  databaseUrl: string;
  /** Records in the topics. */
  events: number;
  /** How many of them are new to the database; the others must be skipped. */
  fresh: number;
  /** Worker processes. */
  workers: number;
}

/**
 * Reads everything once.
 * @returns events per second, from the first commit to the last
 * @throws Error when not as many events were stored as are new
 */
export async function ingestOnce(environment: Environment, reading: Reading): Promise<number> {
  const { topics, databaseUrl, events, fresh, workers } = reading;
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  try {
    const { consumerGroup, pid, assertRunning, stop } = await startIngestion(environment, databaseUrl, topics, workers);
    try {
      await untilWritten({
        name: 'worker',
        pid,
        written: () => recordsOf(database, consumerGroup),
        pollMs: 200,
        expected: events,
        signal: environment.signal,
        assertAlive: assertRunning,
      });
    } finally {
      await stop();
    }
    const books = await readBooks(database, consumerGroup);
    if (books.stored !== fresh || books.skipped !== events - fresh) {
      throw new Error(
        `${books.stored} events were stored and ${books.skipped} skipped, not ${fresh} and ${events - fresh}; a figure for it would mean nothing`,
      );
    }
    return books.events / books.seconds;
  } finally {
    await database.end();
  }
}
