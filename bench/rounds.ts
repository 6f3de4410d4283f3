// The rounds: in each every contestant writes the same events once, side by side in time so that drift of the machine
// hits all alike.
import { SERVERS, type ServerName } from '../stack/index.ts';
import type { Contestant, Measurement } from './contestants/contestant.ts';
import type { Databases } from './databases.ts';
import { cpuSecondsOf, watchOthers } from './machine.ts';
import type { Servers } from './servers.ts';

/** Contestants that write into the same database one after the other. */
export interface Unit {
  /** Template of the database. */
  template: string;
  contestants: readonly Contestant[];
  /** Looks at the database as they leave it. */
  look?(databaseUrl: string): Promise<void>;
}

type Pids = Servers['pids'];

export type Measured = Measurement & {
  /** CPU of each server with all its processes, in seconds per million events; null where unknown. */
  serverCpuPerMillion: Readonly<Record<ServerName, number | null>>;
  /** Bytes of WAL per event. */
  walPerEvent: number;
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
  pids: Pids;
  log: (line: string) => void;
  signal: AbortSignal;
}

export interface Rounds {
  rounds: Round[];
  /** What contestants chose while they warmed up, such as "copy on 2 connections". */
  choices: string[];
}

/**
 * Warms up what needs it, then measures round after round; each round begins with another unit.
 * @throws what a contestant throws; the signal's reason
 */
export async function runRounds(options: RoundsOptions): Promise<Rounds> {
  const { rounds: count, units } = options;
  const choices = await warmUp(options);
  const rounds: Round[] = [];
  for (let round = 0; round < count; round += 1) {
    rounds.push(await runRound(options, rotate(units, round), `round ${round + 1} of ${count}`));
  }
  return { rounds, choices };
}

async function warmUp({ units, databases, log, signal }: RoundsOptions): Promise<string[]> {
  const choices: string[] = [];
  for (const { template, contestants } of units) {
    for (const contestant of contestants) {
      if (contestant.warmUp === undefined) continue;
      signal.throwIfAborted();
      log(`warming up ${contestant.name} …`);
      const choice = await contestant.warmUp(() => databases.fresh(template), signal);
      if (choice !== null) choices.push(`${contestant.name} ${choice}`);
    }
  }
  return choices;
}

async function runRound(options: RoundsOptions, units: readonly Unit[], label: string): Promise<Round> {
  const { databases, pids, log, signal } = options;
  const measured = new Map<string, Measured>();
  const others = watchOthers(pids.all);
  for (const { template, contestants, look } of units) {
    const url = await databases.fresh(template);
    for (const contestant of contestants) {
      signal.throwIfAborted();
      const measurement = await measure(contestant, url, options);
      measured.set(contestant.name, measurement);
      const rate = Math.round(measurement.events / measurement.seconds);
      log(`${label}: ${contestant.name} ${rate.toLocaleString('en-US')} events/s`);
    }
    await look?.(url);
  }
  return { measured, others: others() };
}

/** Lets a contestant write once, into a server whose other work was written out before. */
export async function measure(
  contestant: Contestant,
  url: string,
  {
    databases,
    events,
    pids,
    signal,
  }: Pick<RoundsOptions, 'databases' | 'events' | 'signal'> & {
    pids: Pick<Pids, 'postgres' | 'byName'>;
  },
): Promise<Measured> {
  await databases.checkpoint();
  const before = { cpu: serverCpu(pids), wal: await databases.walBytes() };
  const measurement = await contestant.run(url, signal);
  const after = { cpu: serverCpu(pids), wal: await databases.walBytes() };
  const perMillion = (name: ServerName) => {
    const [from, to] = [before.cpu[name], after.cpu[name]];
    return from === null || to === null ? null : ((to - from) / events) * 1_000_000;
  };
  return {
    ...measurement,
    serverCpuPerMillion: everyServer(perMillion),
    walPerEvent: (after.wal - before.wal) / events,
  };
}

function serverCpu({ postgres, byName }: Pick<Pids, 'postgres' | 'byName'>): Record<ServerName, number | null> {
  return everyServer((name) => {
    const pid = name === 'postgres' ? postgres : byName[name];
    return pid === null || pid === undefined ? null : cpuSecondsOf([pid]);
  });
}

function everyServer<T>(of: (name: ServerName) => T): Record<ServerName, T> {
  return Object.fromEntries(SERVERS.map((name) => [name, of(name)])) as Record<ServerName, T>;
}

/** The list from position `by` on, with what was before it at the end. */
export function rotate<T>(list: readonly T[], by: number): T[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
