// What a slow replay does to the latency of live events.
import { createLogReader } from '../adapters/kafka/reader.ts';
import { produceEvents } from '../scripts/lib/produce-events.ts';
import { recordsOf } from './contestants/books.ts';
import { untilWritten } from './contestants/progress.ts';
import type { Environment } from './environment.ts';
import { latenciesBetween, marksOf, percentile } from './live-latency.ts';
import { controlOf, ingest, settingsOf, topicsOf, withWorker } from './replay-worker.ts';
import { rotate } from './rounds.ts';

/** p99 from produce to commit, in milliseconds. */
export type Latency = Record<'alone' | 'beside', number>;

/** Live events and events of the slow replay in a second. */
export const LIVE_RATE = 1_000;
export const REPLAY_RATE = 5_000;
const STEADY_SECONDS = 15;

/** Live events at a steady rate, alone and beside a slow replay of the backlog, in turn. */
export function measureLatencies(environment: Environment, rounds: number): Promise<Latency[]> {
  return withWorker(environment, async (bench) => {
    const { kafka, registry, backlog } = environment;
    const { database, consumerGroup, api } = bench;
    await ingest(bench);
    const control = controlOf(environment);
    await control.start(settingsOf(environment, consumerGroup));
    const reader = createLogReader(kafka, { maxWaitMs: 500 });
    let sent = 0;

    async function steady(): Promise<number> {
      const before = await marksOf(reader, topicsOf(environment));
      const count = LIVE_RATE * STEADY_SECONDS;
      await produceEvents({
        kafka,
        registry,
        topics: backlog.topics,
        count,
        seed: 'live',
        from: sent,
        days: 1,
        now: Date.now(),
        rate: LIVE_RATE,
      });
      sent += count;
      await untilWritten({
        name: 'live events',
        pid: bench.pid,
        written: () => recordsOf(database, consumerGroup),
        pollMs: 200,
        expected: backlog.events + sent,
        signal: environment.signal,
        assertAlive: bench.assertRunning,
      });
      const after = await marksOf(reader, topicsOf(environment));
      return percentile(await latenciesBetween(database, reader, consumerGroup, before, after), 0.99);
    }

    async function beside(): Promise<number> {
      const { replayId } = await api.request({
        mode: 'missing',
        ratePerSecond: REPLAY_RATE,
        topics: topicsOf(environment),
      });
      const p99 = await steady();
      await api.tell(replayId, 'cancel');
      return p99;
    }

    try {
      await steady(); // The first events pay for what the worker does once.
      const latencies: Latency[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const latency: Latency = { alone: 0, beside: 0 };
        for (const way of rotate(['alone', 'beside'] as const, round)) {
          latency[way] = way === 'alone' ? await steady() : await beside();
        }
        console.log(`latency ${round + 1} of ${rounds}:`, latency);
        latencies.push(latency);
      }
      return latencies;
    } finally {
      await control.stop(consumerGroup).catch(() => {}); // a worker that has died can't stop: its workflow goes with the server
      reader.close();
    }
  });
}
