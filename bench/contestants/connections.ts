// How many connections serve a contestant best, which nobody knows beforehand: it is tried.
import type { FreshDatabase, Measurement } from './contestant.ts';

/** The first pass is for the compilers. */
const PASSES = 2;

/**
 * Writes with each number of connections in turn, twice, and takes that with the best single run.
 * @param write all events on so many connections
 * @throws RangeError without candidates; the signal's reason
 */
export async function bestConnections(
  candidates: readonly number[],
  fresh: FreshDatabase,
  write: (databaseUrl: string, connections: number) => Promise<Measurement>,
  signal: AbortSignal,
): Promise<number> {
  const [first] = candidates;
  if (first === undefined) throw new RangeError('there is no number of connections to try');
  let best = { connections: first, rate: 0 };
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const connections of candidates) {
      signal.throwIfAborted();
      const { events, seconds } = await write(await fresh(), connections);
      if (events / seconds > best.rate) best = { connections, rate: events / seconds };
    }
  }
  return best.connections;
}

/** For example "on 4 connections (tried: 2, 4, 8)". */
export function describeChoice(chosen: number, candidates: readonly number[]): string {
  const tried = candidates.length === 1 ? '' : ` (tried: ${candidates.join(', ')})`;
  return `on ${chosen} ${chosen === 1 ? 'connection' : 'connections'}${tried}`;
}

/** Shares of a list for so many takers, each a turn at a time. */
export function dealOut<T>(list: readonly T[], takers: number): T[][] {
  const shares = Array.from({ length: takers }, (): T[] => []);
  for (const [index, value] of list.entries()) shares[index % takers]?.push(value);
  return shares;
}
