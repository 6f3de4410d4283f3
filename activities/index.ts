import type { LaneInput } from '../workflows/contracts.ts';
import { type AuditDeps, createAudit } from './audit.ts';
import { type BooksDeps, createSweepBooks } from './books.ts';
import { type ControlDeps, createControl } from './control.ts';
import { createErasureActivities, type ErasureDeps } from './erasure.ts';
import { createLane } from './lane.ts';
import { createMaintenance, type MaintenanceDeps } from './maintenance.ts';
import { createMirrorPositions, type MirrorDeps } from './mirror.ts';
import { createParked, type ParkedDeps } from './parked.ts';
import type { LogReader, Store } from './ports.ts';
import { createRedriveActivities, type RedriveDeps } from './redrive.ts';
import { createReplayActivities, type ReplayDeps } from './replay.ts';
import type { LaneDeps } from './run-lane.ts';
import { createSweep, type SweepDeps } from './sweep.ts';
import { createWatchPartitions } from './watch.ts';

export interface ActivityDeps {
  reader: LogReader;
  store: Store;
  openMirror: MirrorDeps['openMirror'];
  laneDepsFor(input: Pick<LaneInput, 'lane' | 'runId'>): LaneDeps;
  worker: ControlDeps['worker'];
  retries: Pick<SweepDeps, 'queue' | 'makePartitionsAhead' | 'onEnqueued'>;
  parked: Omit<ParkedDeps, 'store' | 'laneDepsFor'>;
  books: BooksDeps;
  audits: Pick<AuditDeps, 'audits' | 'signer'>;
  redrives: Omit<RedriveDeps, 'store'>;
  replays: Omit<ReplayDeps, 'runs'>;
  maintenance: MaintenanceDeps;
  erasures: ErasureDeps;
  /** In milliseconds. */
  intervals: { watch: number; mirror: number };
}

/** What each task queue offers. */
export type ActivitiesByQueue = ReturnType<typeof createActivities>;

/** Everything that workflows have done for them, by its name in their histories. */
export type Activities = ActivitiesByQueue['control'] &
  ActivitiesByQueue['lanes'] &
  ActivitiesByQueue['background'] &
  ActivitiesByQueue['replays'];

export function createActivities(deps: ActivityDeps) {
  const { reader, store, openMirror, laneDepsFor, worker, retries, intervals } = deps;
  const { sweepParked, sweepQuotas, replayParked } = createParked({ store, laneDepsFor, ...deps.parked });
  const { moveRedrive, ...redriveSlices } = createRedriveActivities({ store, ...deps.redrives });
  const { moveReplay, planReplay, replaySlice } = createReplayActivities({ runs: store.runs, ...deps.replays });
  const maintenance = createMaintenance(deps.maintenance);
  const { failErasure, ...erasure } = createErasureActivities(deps.erasures);
  return {
    control: {
      ...createControl({ reader, store, worker }),
      watchPartitions: createWatchPartitions({ reader, intervalMs: intervals.watch }),
      mirrorPositions: createMirrorPositions({ store, openMirror, intervalMs: intervals.mirror }),
      ...createSweep({ store, erasures: deps.erasures.erasures, ...retries }),
      sweepParked,
      sweepQuotas,
      moveRedrive,
      moveReplay,
      ...createSweepBooks(deps.books),
      ...maintenance.quick,
      failErasure,
    },
    lanes: { lane: createLane(laneDepsFor) },
    background: {
      replayParked,
      ...createAudit({ reader, ...deps.audits }),
      ...redriveSlices,
      planReplay,
      ...maintenance.steps,
      ...erasure,
    },
    replays: { replaySlice },
  };
}
