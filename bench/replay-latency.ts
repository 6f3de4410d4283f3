// What a slow replay does to the latency of live events.
import type { Environment } from './environment.ts';
import { openGenerator } from './latency/generator.ts';
import { latenciesOf, percentile } from './latency/latencies.ts';
import { openPositionsSight } from './latency/positions-sight.ts';
import { runSteady } from './latency/steady.ts';
import { controlOf, ingest, settingsOf, topicsOf, withWorker } from './replay-worker.ts';
import { rotate } from './rounds.ts';

/** p99 from when a record was due to be sent until others saw its row, in milliseconds. */
export type Latency = Record<'alone' | 'beside', number>;

/** Live events and events of the slow replay in a second. */
export const LIVE_RATE = 1_000;
export const REPLAY_RATE = 5_000;
const STEADY_SECONDS = 15;
const TICK_MS = 2;

/** Live events at a steady rate, alone and beside a slow replay of the backlog, in turn. */
export function measureLatencies(environment: Environment, rounds: number): Promise<Latency[]> {
  return withWorker(environment, async (bench) => {
    const { databaseUrl, consumerGroup, api } = bench;
    await ingest(bench);
    const control = controlOf(environment);
    await control.start(settingsOf(environment, consumerGroup));
    const brokers = environment.servers.KAFKA_BROKERS.split(',');
    const topics = topicsOf(environment).map((topic) => ({ from: topic, to: topic }));
    const records = LIVE_RATE * STEADY_SECONDS;
    let firstLap = 0;

    async function steady(): Promise<number> {
      const generator = await openGenerator({ brokers, topics, mostRecords: records, firstLap });
      firstLap += 1 + Math.ceil(records / generator.ids.length);
      try {
        const { schedule, sightings } = await runSteady({
          generator,
          openSight: (watched) => openPositionsSight(databaseUrl, consumerGroup, watched),
          rate: LIVE_RATE,
          seconds: STEADY_SECONDS,
          warmUp: 0,
          tickMs: TICK_MS,
          lookMs: TICK_MS,
          signal: environment.signal,
          assertAlive: bench.assertRunning,
        });
        return percentile(latenciesOf(schedule, sightings, { from: 0, to: STEADY_SECONDS * 1_000 }), 0.99);
      } finally {
        await generator.close();
      }
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
    }
  });
}
