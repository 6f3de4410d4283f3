import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  patched,
  proxyActivities,
  rootCause,
  uuid4,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { maintenanceOptions, maintenanceStepOptions } from './activity-options.ts';
import type {
  MaintenanceInput,
  MaintenanceResult,
  MaintenanceStep,
  MaintenanceStepInput,
} from './maintenance-contracts.ts';

const { beginMaintenance, concludeMaintenance } = proxyActivities<Activities>(maintenanceOptions);
const steps = proxyActivities<Activities>(maintenanceStepOptions);

/** In order: what is drained gets partitions, which may be past retention. */
const STEPS: ReadonlyArray<
  readonly [name: MaintenanceStep, step: (input: MaintenanceStepInput) => Promise<Record<string, number>>]
> = [
  ['ahead', steps.maintainAhead],
  ['drain', steps.maintainDefaults],
  ['retire', steps.maintainRetention],
  ['expire', steps.maintainExpired],
  ['ledger', steps.maintainLedger],
  ['unreadable', steps.maintainUnreadable],
  ['audit-log', steps.maintainAuditLog],
];

/**
 * Keeps the partitions in order, once for each database at a time. Like the sweep: a step that fails keeps none of the
 * others from being done. What each did is in PostgreSQL; here are counts alone.
 * @returns what each step did; nothing when another run was at work
 * @throws ApplicationFailure that names the steps that failed, after all of them were tried
 */
export async function maintenanceWorkflow(input: MaintenanceInput): Promise<MaintenanceResult> {
  const run = {
    maintenanceId: input.maintenanceId ?? uuid4(),
    dryRun: input.dryRun ?? false,
    maintenanceWindow: input.maintenanceWindow ?? false,
  };
  if (!(await beginMaintenance(run))) {
    return {};
  }
  const done: MaintenanceResult = {};
  const failed: string[] = [];
  for (const [name, step] of STEPS) {
    // Runs that began before there was this step end without it.
    if (name === 'audit-log' && !patched('maintenance-audit-log')) continue;
    try {
      done[name] = await step(run);
    } catch (error) {
      if (isCancellation(error)) {
        await conclude(run, ['it was cancelled']);
        throw error;
      }
      const reason = rootCause(error) ?? 'unknown';
      log.warn('a step of the maintenance failed', { step: name, reason });
      failed.push(`${name}: ${reason}`);
    }
  }
  await conclude(run, failed);
  if (failed.length > 0) {
    throw ApplicationFailure.nonRetryable(`maintenance failed: ${failed.join('; ')}`, 'MaintenanceFailed');
  }
  return done;
}

/** Also of one that was cancelled, so that the next one may begin. */
function conclude({ maintenanceId }: MaintenanceStepInput, reasons: string[]): Promise<void> {
  const outcome = reasons.length === 0 ? 'finished' : 'failed';
  return CancellationScope.nonCancellable(() => concludeMaintenance({ maintenanceId, outcome, reasons }));
}
