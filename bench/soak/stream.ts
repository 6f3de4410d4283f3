// A steady stream of events for the ingestion that reads the backlog's topics.
import type { Environment } from '../environment.ts';
import { openGenerator } from '../latency/generator.ts';
import type { Ingestion } from '../latency/ingestion.ts';
import { openPositionsSight } from '../latency/positions-sight.ts';
import { runSteady, type Steady } from '../latency/steady.ts';

/** Rarer than where latency itself is the question: at these rates what generates and watches must cost little. */
const TICK_MS = 10;
/** Different events; they are sent again and again under other ids. */
const LAP_RECORDS = 100_000;

export interface Stream {
  /** Records per second. */
  rate: number;
  seconds: number;
  /** Each lap has ids of its own. */
  firstLap: number;
  /** Called when what is sent has been read: it may be deleted from then on. */
  ready?: () => Promise<void>;
}

export interface Sent {
  steady: Steady;
  records: number;
  /** The first that was not begun. */
  nextLap: number;
}

/** Sends copies of the backlog's events to its own topics, and waits until the last one is visible. */
export async function sendStream(
  { backlog, servers, signal }: Environment,
  { consumerGroup, assertRunning }: Ingestion,
  databaseUrl: string,
  { rate, seconds, firstLap, ready }: Stream,
): Promise<Sent> {
  const generator = await openGenerator({
    brokers: servers.KAFKA_BROKERS.split(','),
    topics: Object.values(backlog.topics).map((topic) => ({ from: topic, to: topic })),
    mostRecords: LAP_RECORDS,
    firstLap,
  });
  try {
    await ready?.();
    const steady = await runSteady({
      generator,
      openSight: (watched) => openPositionsSight(databaseUrl, consumerGroup, watched),
      assertAlive: assertRunning,
      signal,
      rate,
      seconds,
      warmUp: 0,
      tickMs: TICK_MS,
      lookMs: TICK_MS,
    });
    const records = rate * seconds;
    return { steady, records, nextLap: firstLap + Math.ceil(records / generator.ids.length) };
  } finally {
    await generator.close();
  }
}
