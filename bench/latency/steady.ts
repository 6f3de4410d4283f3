// A steady stream of records, and when each became visible.
import { setTimeout as sleep } from 'node:timers/promises';
import { sharedClock } from './clock.ts';
import type { Generator } from './generator.ts';
import type { Punctuality } from './generator-messages.ts';
import { percentile, type Sighting } from './latencies.ts';
import { createSchedule, type Schedule } from './schedule.ts';
import type { Look, Sight, Watched } from './sight.ts';

export interface SteadyOptions {
  generator: Generator;
  openSight(watched: Watched): Promise<Sight>;
  /** Records per second. */
  rate: number;
  seconds: number;
  /** Seconds of them in which the generator's own delays don't count yet. */
  warmUp: number;
  /** How often what is due is sent, and how often it is looked for, in milliseconds. */
  tickMs: number;
  lookMs: number;
  signal: AbortSignal;
  /** Throws when whoever reads has failed for good. */
  assertAlive(): Promise<void> | void;
}

export interface Steady {
  schedule: Schedule;
  /** When the schedule began, on the shared clock, in milliseconds. */
  startAt: number;
  /** By stream. */
  sightings: Sighting[][];
  punctuality: Punctuality;
  /** Milliseconds from one look to the next: how much later than visible a record may have been seen. */
  looks: { median: number; p99: number };
}

const START_IN_MS = 100;
const STALL_MS = 60_000;
const ASK_ALIVE_MS = 1_000;

/**
 * Sends and watches until the last record is seen.
 * @throws Error when nothing becomes visible for a minute; what the generator throws; the signal's reason
 */
export async function runSteady(options: SteadyOptions): Promise<Steady> {
  const { generator, rate, seconds, warmUp, tickMs } = options;
  const schedule = createSchedule(generator.lap, rate);
  const startAt = sharedClock() + START_IN_MS;
  const startedAt = Date.now() + START_IN_MS;
  const sight = await options.openSight({ generator, schedule, startAt, startedAt });
  try {
    const records = Math.round(rate * seconds);
    const sending = generator.send({ startAt, startedAt, rate, records, tickMs, countFrom: rate * warmUp });
    const seen = await Promise.all([watch(options, sight, schedule, startAt, records), sending]);
    const [{ sightings, gaps }, punctuality] = seen;
    const sorted = Float64Array.from(gaps).sort();
    return {
      schedule,
      startAt,
      sightings,
      punctuality,
      looks: { median: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) },
    };
  } finally {
    await sight.close();
  }
}

async function watch(
  { lookMs, signal, assertAlive }: SteadyOptions,
  sight: Sight,
  schedule: Schedule,
  startAt: number,
  expected: number,
): Promise<{ sightings: Sighting[][]; gaps: number[] }> {
  const sightings: Sighting[][] = schedule.streams.map(() => []);
  const gaps: number[] = [];
  let seen = 0;
  let last: Pick<Look, 'at'> | null = null;
  let [grownAt, askedAt] = [startAt, startAt];
  while (seen < expected) {
    signal.throwIfAborted();
    const look = await sight.look();
    if (last !== null) gaps.push(look.at - last.at);
    last = { at: look.at };
    const grown = note(sightings, look, startAt);
    seen += grown;
    if (grown > 0) grownAt = look.at;
    if (look.at - grownAt > STALL_MS) throw new Error(`stuck at ${seen} of ${expected} records`);
    if (look.at - askedAt > ASK_ALIVE_MS) {
      askedAt = look.at;
      await assertAlive();
    }
    await sleep(Math.max(0, lookMs - (sharedClock() - look.at)));
  }
  return { sightings, gaps };
}

/** @returns how many more records are visible */
function note(sightings: readonly Sighting[][], { at, visible }: Look, startAt: number): number {
  let grown = 0;
  for (const [stream, count] of visible.entries()) {
    const own = sightings[stream];
    const before = own?.at(-1)?.visible ?? 0;
    if (own === undefined || count <= before) continue;
    own.push({ at: at - startAt, visible: count });
    grown += count - before;
  }
  return grown;
}
