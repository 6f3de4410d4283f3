import type { LaneInput } from '../workflows/contracts.ts';
import { type ControlDeps, createControl } from './control.ts';
import { createLane } from './lane.ts';
import { createMirrorPositions, type MirrorDeps } from './mirror.ts';
import type { LogReader, Store } from './ports.ts';
import type { LaneDeps } from './run-lane.ts';
import { createSweep, type SweepDeps } from './sweep.ts';
import { createWatchPartitions } from './watch.ts';

export interface ActivityDeps {
  reader: LogReader;
  store: Store;
  openMirror: MirrorDeps['openMirror'];
  laneDepsFor(input: LaneInput): LaneDeps;
  worker: ControlDeps['worker'];
  retries: Pick<SweepDeps, 'queue' | 'onEnqueued'>;
  /** In milliseconds. */
  intervals: { watch: number; mirror: number };
}

/** What each task queue offers. */
export type ActivitiesByQueue = ReturnType<typeof createActivities>;

/** Everything that workflows have done for them, by its name in their histories. */
export type Activities = ActivitiesByQueue['control'] & ActivitiesByQueue['lanes'] & ActivitiesByQueue['background'];

export function createActivities({ reader, store, openMirror, laneDepsFor, worker, retries, intervals }: ActivityDeps) {
  return {
    control: {
      ...createControl({ reader, store, worker }),
      watchPartitions: createWatchPartitions({ reader, intervalMs: intervals.watch }),
      mirrorPositions: createMirrorPositions({ store, openMirror, intervalMs: intervals.mirror }),
      ...createSweep({ store, ...retries }),
    },
    lanes: { lane: createLane(laneDepsFor) },
    background: {},
  };
}
