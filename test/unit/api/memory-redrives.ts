import type { DryRun } from '../../../activities/redrive-plan.ts';
import type { Redrive, RedriveScope, Redrives } from '../../../activities/redrive-ports.ts';
import { createDryRunIds } from '../../../api/dry-run-id.ts';
import { createRedriveDesk } from '../../../api/redrive-desk.ts';
import { NO_REDRIVE_COUNTS, type RedriveProgress } from '../../../workflows/contracts.ts';
import { type RedriveControlPort, RedriveNotRunningError } from '../../../workflows/redrive-control-port.ts';

const DRY: DryRun = {
  examined: 10,
  stage: { events: 9, examples: [1, 2] },
  filter: { events: 0, examples: [] },
  skip: { events: 0, examples: [] },
  leftOut: 0,
  fail: [{ code: 'missing_field', field: 'data.email', events: 1, examples: [3] }],
};

/** Redrives that live in memory: our own ports, for the behaviour of HTTP alone. */
export function createMemoryRedrives({ approvalOver = null as number | null, total = 10 } = {}) {
  const rows = new Map<string, Redrive>();
  /** By redrive: what its workflow has been told. */
  const workflows = new Map<string, RedriveProgress>();
  const matched: Array<number | null> = [];
  const tried: RedriveScope[] = [];
  const clock = { now: Date.UTC(2026, 10, 24) };

  const redrives: Pick<Redrives, 'match' | 'create' | 'get' | 'list' | 'decide' | 'move' | 'outcome'> = {
    async match(_filter, upTo) {
      matched.push(upTo);
      return { total, lastFailedId: total === 0 ? 0 : 99 };
    },
    async create(request, status) {
      const redrive: Redrive = {
        ...request,
        status,
        counts: NO_REDRIVE_COUNTS,
        requestedAt: new Date(clock.now).toISOString(),
        decidedBy: null,
        decidedAt: null,
        finishedAt: null,
      };
      rows.set(redrive.redriveId, redrive);
      return redrive;
    },
    get: async (redriveId) => rows.get(redriveId) ?? null,
    list: async (limit) => [...rows.values()].toReversed().slice(0, limit),
    async decide(redriveId, as, by) {
      const row = rows.get(redriveId);
      if (row === undefined) return 'unknown';
      if (row.status !== 'awaiting_approval') return 'decided';
      if (row.requestedBy === by) return 'own';
      rows.set(redriveId, { ...row, status: as, decidedBy: by, decidedAt: new Date(clock.now).toISOString() });
      return 'done';
    },
    async move(redriveId, to) {
      const row = rows.get(redriveId);
      if (row !== undefined) rows.set(redriveId, { ...row, status: to });
    },
    outcome: async () => ({ status: 'processed', reason: null }),
  };

  function workflow(redriveId: string): RedriveProgress {
    const found = workflows.get(redriveId);
    if (found === undefined) throw new RedriveNotRunningError(redriveId);
    return found;
  }

  const control: RedriveControlPort = {
    async hold({ redriveId, ratePerSecond }) {
      workflows.set(redriveId, { phase: 'paused', ratePerSecond, counts: NO_REDRIVE_COUNTS, workedMs: 0 });
    },
    async run({ redriveId, ratePerSecond }) {
      const known = workflows.get(redriveId) ?? { ratePerSecond, counts: NO_REDRIVE_COUNTS, workedMs: 1_000 };
      workflows.set(redriveId, { ...known, phase: 'running' });
    },
    async pause(redriveId) {
      workflows.set(redriveId, { ...workflow(redriveId), phase: 'paused' });
      await redrives.move(redriveId, 'paused');
    },
    async cancel(redriveId) {
      workflows.set(redriveId, { ...workflow(redriveId), phase: 'cancelled' });
    },
    async setRate(redriveId, ratePerSecond) {
      workflows.set(redriveId, { ...workflow(redriveId), ratePerSecond });
    },
    progress: async (redriveId) => workflows.get(redriveId) ?? null,
    ended: async () => true,
  };

  const desk = createRedriveDesk({
    redrives,
    control,
    dryRun: async (scope) => {
      tried.push(scope);
      return DRY;
    },
    dryRunIds: createDryRunIds('secret', () => clock.now),
    approvalOver,
  });
  return { desk, rows, workflows, matched, tried, clock, redriveControl: control };
}
