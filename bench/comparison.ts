// Contestants side by side in one run.
import { readLanes } from './backlog.ts';
import type { Contestant } from './contestants/contestant.ts';
import { createCopy } from './contestants/copy.ts';
import { createDuplicates, createPath } from './contestants/path.ts';
import { createPeer } from './contestants/peer.ts';
import { createSame } from './contestants/same.ts';
import { createWriter } from './contestants/writer.ts';
import { type Environment, OURS } from './environment.ts';
import { openConnect, openPeerTopic } from './peer/index.ts';
import { PEER } from './peer/table.ts';
import { type Rounds, runRounds, type Unit } from './rounds.ts';
import { closingAfterwards } from './servers.ts';
import { readWritten, type Written } from './tables.ts';

export type ContestantName = 'copy' | 'writer' | 'path' | 'duplicates' | 'same' | 'peer';

export interface ComparisonSettings {
  contestants: readonly ContestantName[];
  rounds: number;
  /** Numbers of connections to try before the first round, for those that are told how many. */
  connections: Readonly<Record<'copy' | 'writer' | 'same', readonly number[]>>;
}

export interface Comparison extends Rounds {
  /** What `path` wrote to; null when it did not take part. */
  work: Written | null;
}

/** Runs the contestants round by round. @throws what a contestant throws; the signal's reason */
export function compare(
  environment: Environment,
  settings: ComparisonSettings,
  log: (line: string) => void,
): Promise<Comparison> {
  const { databases, pids, signal, backlog } = environment;
  return closingAfterwards(log, async (closing) => {
    const takesPart = (name: ContestantName) => settings.contestants.includes(name);
    const { connections } = settings;
    const units: Unit[] = [];
    let work: Written | null = null;

    if (takesPart('copy') || takesPart('writer')) {
      log('reading the events into memory …');
      const lanes = await readLanes(environment, Math.max(...connections.writer));
      const from = (contestant: Contestant) => units.push({ template: OURS, contestants: [contestant] });
      if (takesPart('copy')) from(createCopy(lanes, backlog.events, connections.copy));
      if (takesPart('writer')) from(createWriter(lanes, backlog.events, connections.writer));
    }
    if (takesPart('path')) {
      units.push({
        template: OURS,
        contestants: [createPath(environment), ...(takesPart('duplicates') ? [createDuplicates(environment)] : [])],
        look: async (databaseUrl) => {
          work ??= await readWritten(databaseUrl);
        },
      });
    }
    if (takesPart('same') || takesPart('peer')) {
      const topic = await openPeerTopic(environment, log, closing);
      if (takesPart('same')) {
        units.push({ template: PEER, contestants: [createSame(environment, topic, connections.same)] });
      }
      if (takesPart('peer')) {
        const connect = await openConnect(environment, log, closing);
        units.push({ template: PEER, contestants: [createPeer(connect, topic, backlog.events)] });
      }
    }
    const { rounds } = settings;
    const measured = await runRounds({ rounds, units, databases, events: backlog.events, pids, log, signal });
    return { ...measured, work };
  });
}
