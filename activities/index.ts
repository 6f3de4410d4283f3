import type { LaneInput } from '../workflows/contracts.ts';
import { type ControlDeps, createControl } from './control.ts';
import { createLane } from './lane.ts';
import { createMirrorPositions, type MirrorDeps } from './mirror.ts';
import type { LogReader, Store } from './ports.ts';
import type { LaneDeps } from './run-lane.ts';
import { createWatchPartitions } from './watch.ts';

export interface ActivityDeps {
  reader: LogReader;
  store: Store;
  openMirror: MirrorDeps['openMirror'];
  laneDepsFor(input: LaneInput): LaneDeps;
  worker: ControlDeps['worker'];
  /** In milliseconds. */
  intervals: { watch: number; mirror: number };
}

/** Everything that workflows have done for them, by its name in their histories. */
export type Activities = ReturnType<typeof createActivities>;

export function createActivities({ reader, store, openMirror, laneDepsFor, worker, intervals }: ActivityDeps) {
  return {
    ...createControl({ reader, store, worker }),
    watchPartitions: createWatchPartitions({ reader, intervalMs: intervals.watch }),
    mirrorPositions: createMirrorPositions({ store, openMirror, intervalMs: intervals.mirror }),
    lane: createLane(laneDepsFor),
  };
}
