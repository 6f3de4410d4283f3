// The most events that are read in a second, from topics that are full: what the steady part of a soak is a share of.
import pg from 'pg';
import { readBooks, recordsOf } from '../contestants/books.ts';
import { untilWritten } from '../contestants/progress.ts';
import type { Environment } from '../environment.ts';
import type { Ingestion } from '../latency/ingestion.ts';
import { KEPT_MINUTES } from './kafka-disk.ts';

export interface Maximum {
  /** Events per second. */
  rate: number;
  /** What PostgreSQL keeps of an event on disk, in bytes. */
  bytesPerEvent: number;
}

/** Waits until the backlog is read. */
export async function measureMaximum(
  { backlog, signal }: Environment,
  ingestion: Ingestion,
  databaseUrl: string,
): Promise<Maximum> {
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  try {
    const before = await sizeOf(database);
    await untilWritten({
      name: 'worker',
      pid: ingestion.pid,
      written: () => recordsOf(database, ingestion.consumerGroup),
      pollMs: 200,
      expected: backlog.events,
      signal,
      assertAlive: ingestion.assertRunning,
    });
    const { events, seconds } = await readBooks(database, ingestion.consumerGroup);
    const grown = (await sizeOf(database)) - before;
    return { rate: events / seconds, bytesPerEvent: grown / backlog.events };
  } finally {
    await database.end();
  }
}

async function sizeOf(database: pg.Client): Promise<number> {
  const { rows } = await database.query<{ bytes: string }>('SELECT pg_database_size(current_database()) AS bytes');
  return Number(rows[0]?.bytes);
}

/** @throws Error unless so many events are stored: who falls behind by more than Kafka keeps never reads the others */
export async function assertStored(databaseUrl: string, consumerGroup: string, expected: number): Promise<void> {
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  try {
    const { stored } = await readBooks(database, consumerGroup);
    if (stored !== expected) {
      throw new Error(
        `${stored} of ${expected} events were stored: the rate was not kept up, and Kafka, which keeps ${KEPT_MINUTES} minutes here, deleted the others unread. Try a lower --percent`,
      );
    }
  } finally {
    await database.end();
  }
}
