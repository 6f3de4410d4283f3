import { ApplicationFailure } from '@temporalio/activity';
import type { TrailDigest } from '../domain/audit-trail.ts';
import type {
  MaintenanceConclusion,
  MaintenanceStep,
  MaintenanceStepInput,
} from '../workflows/maintenance-contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import { heartbeating } from './heartbeating.ts';
import { inKafka, reasonsToRemember } from './maintenance-ledger.ts';
import {
  type AskTopicRetention,
  MaintenanceBusyError,
  type MaintenanceObserver,
  type MaintenanceRuns,
  type MaintenanceWork,
  type StepOptions,
  type StepReport,
} from './maintenance-ports.ts';

export interface MaintenanceDeps {
  work: MaintenanceWork;
  runs: MaintenanceRuns;
  askTopicRetention: AskTopicRetention;
  observer: MaintenanceObserver;
  /** In days, null for ever. */
  ledgerKeepDays: number | null;
  failedRawKeepDays: number | null;
  auditLog: { keepDays: number; digest: TrailDigest };
}

const NOTHING: StepReport = { counts: {}, statements: [], notes: [] };

/** Makes the activities of partition maintenance: quick ones around its steps, and the steps, which take their time. */
export function createMaintenance(deps: MaintenanceDeps) {
  const { work, runs, observer, failedRawKeepDays, auditLog } = deps;

  const stepOf = (step: MaintenanceStep, act: (options: StepOptions, run: string) => Promise<StepReport>) =>
    withSafeFailures(
      ({ maintenanceId, dryRun, maintenanceWindow }: MaintenanceStepInput): Promise<StepReport['counts']> => {
        let done = 0;
        const progress = (so: number) => {
          done = so;
        };
        return heartbeating(
          async (signal) => {
            const report = await notBusy(act({ dryRun, maintenanceWindow, signal, progress }, maintenanceId));
            await runs.record(maintenanceId, step, report);
            if (!dryRun) {
              observer.stepped(step, report);
            }
            return report.counts;
          },
          () => done,
        );
      },
    );

  return {
    quick: {
      /** @returns whether it may begin */
      beginMaintenance: withSafeFailures(async (run: MaintenanceStepInput): Promise<boolean> => {
        const begun = await runs.begin(run);
        if (!begun) {
          observer.concluded('skipped', 0, ['another maintenance is at work']);
        }
        return begun;
      }),
      concludeMaintenance: withSafeFailures(
        async ({ maintenanceId, outcome, reasons }: MaintenanceConclusion): Promise<void> => {
          const ms = await runs.conclude(maintenanceId, outcome, reasons);
          observer.measured(await work.measure());
          observer.concluded(outcome, ms / 1_000, reasons);
        },
      ),
    },
    steps: {
      maintainAhead: stepOf('ahead', (options) => work.makeAhead(options)),
      maintainDefaults: stepOf('drain', (options) => work.drain(options)),
      maintainRetention: stepOf('retire', (options) => work.retire(options)),
      maintainExpired: stepOf('expire', (options) => work.deleteExpired(options)),
      maintainLedger: stepOf('ledger', (options) => pruneLedger(deps, options)),
      maintainUnreadable: stepOf('unreadable', async (options, runId) =>
        failedRawKeepDays === null
          ? NOTHING
          : work.forgetUnreadable({ ...options, keepDays: failedRawKeepDays, runId }),
      ),
      maintainAuditLog: stepOf('audit-log', (options) => work.keepAuditLog({ ...options, ...auditLog })),
    },
  };
}

async function pruneLedger(
  { work, askTopicRetention, ledgerKeepDays: keepDays }: MaintenanceDeps,
  options: StepOptions,
): Promise<StepReport> {
  if (keepDays === null) {
    return NOTHING;
  }
  const topics = await work.ledgerTopics();
  const reasons = reasonsToRemember(keepDays, topics, await askTopicRetention(inKafka(topics)));
  return reasons.length > 0
    ? { ...NOTHING, counts: { refused: 1 }, notes: reasons.map((reason) => `The ledger forgets nothing: ${reason}.`) }
    : work.pruneLedger({ ...options, keepDays });
}

/** What a killed worker began may go on in PostgreSQL for a while: the next attempt may find it done. */
async function notBusy(work: Promise<StepReport>): Promise<StepReport> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof MaintenanceBusyError
      ? ApplicationFailure.create({ message: error.message, type: 'MaintenanceBusy' })
      : error;
  }
}
