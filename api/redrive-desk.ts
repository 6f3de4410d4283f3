/**
 * Redrives as people ask for them. A request is kept in PostgreSQL before Temporal hears of it, so that one that could
 * not be started is seen, and started by `resume`.
 */
import { randomUUID } from 'node:crypto';
import type { Settled } from '../activities/failed-ports.ts';
import type { DryRun } from '../activities/redrive-plan.ts';
import type { Redrive, RedriveRequest, RedriveScope, Redrives } from '../activities/redrive-ports.ts';
import type { RedriveProgress } from '../workflows/contracts.ts';
import { ControlUnavailableError } from '../workflows/control-port.ts';
import { type RedriveControlPort, RedriveNotRunningError } from '../workflows/redrive-control-port.ts';
import type { DryRunIds } from './dry-run-id.ts';
import { ProblemError } from './errors.ts';
import { isInScope } from './tenancy.ts';

export interface RedriveDeskDeps {
  redrives: Pick<Redrives, 'match' | 'create' | 'get' | 'list' | 'decide' | 'move' | 'outcome'>;
  control: RedriveControlPort;
  /** Tries events without writing anything. @throws WriteError, RegistryUnavailableError */
  dryRun(scope: RedriveScope): Promise<DryRun>;
  dryRunIds: DryRunIds;
  /** A request of more events waits for a second person; null never asks for one. */
  approvalOver: number | null;
}

export interface RedrivePlan {
  total: number;
  needsApproval: boolean;
  /** null for a discard. */
  dryRun: DryRun | null;
  /** What a request with the same filter and rule shows within the hour; null without a rule. */
  dryRunId: string | null;
}

export interface RedriveStart {
  /** Of a plan with the same filter and rule; needed with a rule. */
  dryRunId: string | null;
  ratePerSecond: number;
}

/** A rate that leaves half of a small server to live reading. */
export const DEFAULT_RATE = 10_000;

/** How long a redrive of one event is waited for, in milliseconds. */
const ONE_WAIT_MS = 10_000;

export type RedriveDesk = ReturnType<typeof createRedriveDesk>;

export function createRedriveDesk({ redrives, control, dryRun, dryRunIds, approvalOver }: RedriveDeskDeps) {
  const needsApproval = (total: number) => approvalOver !== null && total > approvalOver;

  async function existing(redriveId: string): Promise<Redrive> {
    const redrive = await redrives.get(redriveId);
    if (redrive === null || !isInScope(redrive.filter.organizationId)) throw unknown(redriveId);
    return redrive;
  }

  async function running(redriveId: string): Promise<Redrive> {
    const redrive = await existing(redriveId);
    if (redrive.status !== 'running' && redrive.status !== 'paused') {
      throw new ProblemError('refused', `The redrive is neither running nor paused, it is ${redrive.status}.`);
    }
    return redrive;
  }

  /** Tells a redrive something. @throws ProblemError when it has no workflow to tell */
  async function tell(redriveId: string, what: () => Promise<void>): Promise<Redrive> {
    await running(redriveId);
    try {
      await what();
    } catch (error) {
      if (!(error instanceof RedriveNotRunningError)) throw error;
      throw new ProblemError('refused', 'The redrive never began or is just ending. Look at it again, or resume it.');
    }
    return existing(redriveId);
  }

  async function create(request: RedriveRequest, start: RedriveStart, by: string): Promise<Redrive> {
    const upTo = request.fix === null ? null : tried(request, start.dryRunId);
    const matched = await redrives.match(request.filter, upTo);
    if (matched.total === 0) throw new ProblemError('refused', 'No failed event fits the filter.');
    const waits = needsApproval(matched.total);
    const redrive = await redrives.create(
      { ...request, ...matched, redriveId: randomUUID(), ratePerSecond: start.ratePerSecond, requestedBy: by },
      waits ? 'awaiting_approval' : 'running',
    );
    const { redriveId } = redrive;
    try {
      await (waits ? control.hold(...workflowOf(redrive)) : control.run(...workflowOf(redrive)));
    } catch (error) {
      if (!(error instanceof ControlUnavailableError)) throw error;
      throw new ProblemError(
        'control-unavailable',
        `Temporal does not answer. The request is kept as redrive ${redriveId}: ${waits ? 'approve' : 'resume'} or cancel that one, and send no other.`,
      );
    }
    return redrive;
  }

  /** The newest event that the rule was tried on: newer ones are not among those that it mends. */
  function tried({ filter, fix }: RedriveRequest, dryRunId: string | null): number {
    if (filter.fingerprint === undefined) {
      throw new ProblemError('invalid-request', 'A fix mends one group: the filter needs its fingerprint.');
    }
    const upTo = dryRunId === null ? null : dryRunIds.check(dryRunId, { filter, fix });
    if (upTo === null) {
      throw new ProblemError(
        'refused',
        'A fix must have been tried dry within the last hour, with the same filter: POST /redrives/plan gives the dryRunId.',
      );
    }
    return upTo;
  }

  async function decide(redriveId: string, as: 'running' | 'rejected', by: string): Promise<Redrive> {
    await existing(redriveId);
    switch (await redrives.decide(redriveId, as, by)) {
      case 'unknown':
        throw unknown(redriveId);
      case 'own':
        throw new ProblemError('refused', 'Another person than the requester must decide.');
      case 'decided':
        throw new ProblemError('refused', 'The redrive does not wait for a decision.');
      case 'done':
        return existing(redriveId);
    }
  }

  const resumed = (redrive: Redrive) => control.run(...workflowOf(redrive));

  return {
    create,

    async plan(request: RedriveRequest): Promise<RedrivePlan> {
      const { filter, fix, action } = request;
      const { total, lastFailedId } = await redrives.match(filter, null);
      return {
        total,
        needsApproval: needsApproval(total),
        dryRun: action === 'discard' ? null : await dryRun({ ...request, redriveId: randomUUID(), lastFailedId }),
        dryRunId: fix === null ? null : dryRunIds.issue({ filter, fix }, lastFailedId),
      };
    },

    list: (limit: number) => redrives.list(limit),

    async get(redriveId: string): Promise<{ redrive: Redrive; progress: RedriveProgress | null }> {
      const redrive = await existing(redriveId);
      return { redrive, progress: await control.progress(redriveId) };
    },

    async approve(redriveId: string, by: string): Promise<Redrive> {
      const redrive = await decide(redriveId, 'running', by);
      await resumed(redrive);
      return redrive;
    },

    async reject(redriveId: string, by: string): Promise<Redrive> {
      const redrive = await decide(redriveId, 'rejected', by);
      await control.cancel(redriveId).catch(unlessNotRunning);
      return redrive;
    },

    pause: (redriveId: string) => tell(redriveId, () => control.pause(redriveId)),

    setRate: (redriveId: string, rate: number) => tell(redriveId, () => control.setRate(redriveId, rate)),

    async resume(redriveId: string): Promise<Redrive> {
      await resumed(await running(redriveId));
      return existing(redriveId);
    },

    async cancel(redriveId: string): Promise<Redrive> {
      const { status } = await existing(redriveId);
      if (status === 'awaiting_approval') throw new ProblemError('refused', 'It waits for a decision: reject it.');
      await running(redriveId);
      try {
        await control.cancel(redriveId);
      } catch (error) {
        unlessNotRunning(error);
        await redrives.move(redriveId, 'cancelled');
      }
      return existing(redriveId);
    },

    /**
     * Redrives one event for a person who waits.
     * @param organizationId whose redrive it is then, null for the installation's
     * @returns `accepted` when what becomes of it is not known yet, `taken` when somebody else has it or it is settled
     */
    async redriveOne(
      failedId: number,
      by: string,
      organizationId: string | null,
    ): Promise<Settled | 'accepted' | 'taken'> {
      const filter = { failedIds: [failedId], ...(organizationId !== null && { organizationId }) };
      const { redriveId } = await create(
        { action: 'redrive', filter, fix: null, reason: null, force: true },
        { dryRunId: null, ratePerSecond: DEFAULT_RATE },
        by,
      );
      if (!(await control.ended(redriveId, ONE_WAIT_MS))) return 'accepted';
      return (await redrives.outcome(redriveId, failedId)) ?? 'taken';
    },
  };
}

/** What its workflow is started with, and the organization that Temporal shows it under. */
function workflowOf({ redriveId, action, ratePerSecond, filter }: Redrive): Parameters<RedriveControlPort['run']> {
  return [{ redriveId, action, ratePerSecond }, filter.organizationId ?? null];
}

/** The same for one that there is not and for one that is not theirs. */
function unknown(redriveId: string): ProblemError {
  return new ProblemError('unknown-redrive', `There is no redrive ${redriveId}.`);
}

function unlessNotRunning(error: unknown): void {
  if (!(error instanceof RedriveNotRunningError)) throw error;
}
