// What the scale suite compares, and how.
import type { Environment } from '../environment.ts';
import { watchOthers } from '../machine.ts';
import { rotate } from '../rounds.ts';
import type { Closing } from '../servers.ts';
import { vacuum } from './fill.ts';
import { ingestOnce, type Reading } from './ingest-once.ts';

/** One way of running, which gets its events and its database anew in each round. */
export interface Case {
  /** As the table says it, such as "48 partitions". */
  name: string;
  prepare(round: number): Promise<Reading>;
}

export interface Dimension {
  /** As it is asked for with --only. */
  name: string;
  /** What differs from case to case, for who reads the table. */
  note: string;
  /** The first is what the others are compared with. */
  cases: readonly [Case, ...Case[]];
}

/** @param closing gets what to take away when the dimension is measured */
export type OpenDimension = (
  environment: Environment,
  log: (line: string) => void,
  closing: Closing,
) => Promise<Dimension>;

export interface DimensionResult {
  dimension: Pick<Dimension, 'name' | 'note'>;
  /** Events per second of each case, round by round; the first case is the base. */
  cases: Array<{ name: string; rates: number[] }>;
  others: Array<number | null>;
}

/** Measures every case in each round, each round beginning with another. */
export async function measureDimension(
  environment: Environment,
  { cases, ...dimension }: Dimension,
  rounds: number,
  log: (line: string) => void,
): Promise<DimensionResult> {
  const results = cases.map(({ name }) => ({ name, rates: [] as number[] }));
  const others: Array<number | null> = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const at of rotate([...cases.keys()], round)) {
      const [one, result] = [cases[at], results[at]];
      if (one === undefined || result === undefined) continue;
      environment.signal.throwIfAborted();
      const reading = await one.prepare(round);
      await environment.databases.checkpoint();
      if (reading.before !== undefined) {
        await ingestOnce(environment, { ...reading, topics: reading.before });
        await vacuum(reading.databaseUrl);
      }
      const share = watchOthers(environment.pids.all);
      const rate = await ingestOnce(environment, reading);
      others.push(share());
      result.rates.push(rate);
      const said = `${Math.round(rate).toLocaleString('en-US')} events/s`;
      log(`${dimension.name}, round ${round + 1} of ${rounds}: ${one.name}: ${said}`);
    }
  }
  return { dimension, cases: results, others };
}
