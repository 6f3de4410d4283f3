import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSecondsOf } from '../machine.ts';

export interface Watched {
  /** For messages. */
  name: string;
  /** The process that does the work. */
  pid: number;
  /** How many events are written by now. */
  written: () => Promise<number>;
  /** How often to ask, in milliseconds: the dearer the question, the rarer. */
  pollMs: number;
  expected: number;
  signal: AbortSignal;
  /** Throws when the work has failed for good. */
  assertAlive: () => Promise<void> | void;
}

const STALL_MS = 60_000;
/** Of the events: until then the process still starts up. */
const WARM_AFTER = 0.3;

/**
 * Waits until everything is written.
 * @returns CPU seconds per million events once a part of them is written, so without what starting and compiling cost, as
 * for a contestant that was warmed up; null where the system does not tell or the rest came at once
 * @throws Error when nothing is written for a minute, or too much; the signal's reason
 */
export async function untilWritten({
  name,
  pid,
  written,
  pollMs,
  expected,
  signal,
  assertAlive,
}: Watched): Promise<number | null> {
  let first: { cpu: number | null; events: number } | null = null;
  let latest = 0;
  let latestAt = performance.now();
  while (latest < expected) {
    await sleep(pollMs);
    signal.throwIfAborted();
    const events = await written();
    if (events > latest) {
      latest = events;
      latestAt = performance.now();
      if (events >= expected * WARM_AFTER) first ??= { cpu: cpuSecondsOf([pid]), events };
    } else {
      await assertAlive();
      if (performance.now() - latestAt > STALL_MS) throw new Error(`${name}: stuck at ${events} of ${expected} events`);
    }
  }
  if (latest > expected) throw new Error(`${name}: ${latest} events were written, there are only ${expected}`);
  const cpu = cpuSecondsOf([pid]);
  if (first === null || first.cpu === null || cpu === null || first.events === latest) return null;
  return ((cpu - first.cpu) / (latest - first.events)) * 1_000_000;
}
