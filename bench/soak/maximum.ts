// The most events that are read in a second: what the steady part of a soak is a share of.
import pg from 'pg';
import { readBooks, recordsOf } from '../contestants/books.ts';
import { untilWritten } from '../contestants/progress.ts';
import type { Environment } from '../environment.ts';
import type { Ingestion } from '../latency/ingestion.ts';
import type { Steady } from '../latency/steady.ts';
import { KEPT_MINUTES } from './kafka-disk.ts';

export interface Maximum {
  /** Events per second, from topics that are full. */
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

/**
 * Events per second that were seen while so many seconds long more of them were sent. That is less than from topics that
 * are full: what sends, and Kafka with it, takes its share of the machine.
 */
export function rateWhileSent({ sightings }: Pick<Steady, 'sightings'>, seconds: number): number {
  const last = sightings.map((seen) => seen.findLast(({ at }) => at <= seconds * 1_000)?.visible ?? 0);
  return last.reduce((sum, visible) => sum + visible, 0) / seconds;
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
