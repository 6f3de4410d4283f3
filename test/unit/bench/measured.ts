import type { Measured } from '../../../bench/rounds.ts';

const NOT_KNOWN = { kafka: null, registry: null, temporal: null, postgres: null, redis: null };

/** A measurement of so many events a second, of which nothing else is known. */
export function measured(rate: number, over: Partial<Measured> = {}): Measured {
  return {
    events: rate * 2,
    seconds: 2,
    cpuPerMillion: null,
    peakRssBytes: null,
    historyEvents: null,
    serverCpuPerMillion: NOT_KNOWN,
    walPerEvent: 0,
    ...over,
  };
}
