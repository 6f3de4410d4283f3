// The rounds: in each every contestant writes the same events once, side by side in time so that drift of the machine
// hits all alike.
import type { Contestant, Measurement } from './contestants/contestant.ts';
import type { Databases } from './databases.ts';
import { cpuSecondsOf, watchOthers } from './machine.ts';

/** Contestants that write into the same database one after the other. */
export interface Unit {
  /** Template of the database. */
  template: string;
  contestants: readonly Contestant[];
}

export type Measured = Measurement & {
  /** CPU of PostgreSQL with all its processes, in seconds per million events; null where unknown. */
  databaseCpuPerMillion: number | null;
};

export interface Round {
  /** By contestant. */
  measured: Map<string, Measured>;
  /** Share of the machine that went to processes of others meanwhile, 0 to 1; null where unknown. */
  others: number | null;
}

export interface RoundsOptions {
  rounds: number;
  units: readonly Unit[];
  databases: Databases;
  /** All events of the backlog. */
  events: number;
  /** null where it is not on this machine. */
  postgresPid: number | null;
  /** The servers' processes: what they use is no load of others. */
  serverPids: readonly number[];
  log: (line: string) => void;
  signal: AbortSignal;
}

/**
 * Warms up what needs it, then measures round after round; each round begins with another unit.
 * @throws what a contestant throws; the signal's reason
 */
export async function runRounds(options: RoundsOptions): Promise<Round[]> {
  const { rounds, units, log } = options;
  for (const { template, contestants } of units) {
    const [first] = contestants;
    for (let pass = 1; pass <= (first?.warmUps ?? 0); pass += 1) {
      log(`warming up ${first?.name} …`);
      options.signal.throwIfAborted();
      await first?.run(await options.databases.fresh(template), options.signal);
    }
  }
  const results: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    results.push(await runRound(options, rotate(units, round), `round ${round + 1} of ${rounds}`));
  }
  return results;
}

async function runRound(
  { databases, events, postgresPid, serverPids, log, signal }: RoundsOptions,
  units: readonly Unit[],
  label: string,
): Promise<Round> {
  const measured = new Map<string, Measured>();
  const others = watchOthers(serverPids);
  for (const { template, contestants } of units) {
    const url = await databases.fresh(template);
    for (const contestant of contestants) {
      signal.throwIfAborted();
      await databases.checkpoint();
      const before = databaseCpu(postgresPid);
      const measurement = await contestant.run(url, signal);
      const after = databaseCpu(postgresPid);
      const databaseCpuPerMillion = before === null || after === null ? null : ((after - before) / events) * 1_000_000;
      measured.set(contestant.name, { ...measurement, databaseCpuPerMillion });
      const rate = Math.round(measurement.events / measurement.seconds);
      log(`${label}: ${contestant.name} ${rate.toLocaleString('en-US')} events/s`);
    }
  }
  return { measured, others: others() };
}

const databaseCpu = (pid: number | null) => (pid === null ? null : cpuSecondsOf([pid]));

/** The list from position `by` on, with what was before it at the end. */
export function rotate<T>(list: readonly T[], by: number): T[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
