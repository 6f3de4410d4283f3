import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';
import { createMaintenance, type MaintenanceDeps } from '../../../activities/maintenance.ts';
import { MaintenanceBusyError, type StepReport } from '../../../activities/maintenance-ports.ts';
import { trailDigest } from '../../../domain/audit-trail.ts';

const RUN = { maintenanceId: 'm', dryRun: false, maintenanceWindow: false };
const NOTHING: StepReport = { counts: {}, statements: [], notes: [] };
const DAY_MS = 86_400_000;

/** The activities over steps that do nothing but be noted. */
function maintenance(over: Partial<MaintenanceDeps> = {}, drain: () => Promise<StepReport> = async () => NOTHING) {
  const done: string[] = [];
  const recorded: Array<[step: string, report: StepReport]> = [];
  const observed: string[] = [];
  const step = (name: string) => async () => {
    done.push(name);
    return NOTHING;
  };
  const activities = createMaintenance({
    work: {
      makeAhead: step('ahead'),
      drain,
      retire: step('retire'),
      deleteExpired: step('expire'),
      pruneLedger: step('ledger'),
      forgetUnreadable: step('unreadable'),
      keepAuditLog: step('audit-log'),
      measure: async () => [],
      ledgerTopics: async () => ['crm.leads'],
    },
    runs: {
      request: async () => {},
      begin: async () => true,
      record: async (_id, name, report) => {
        recorded.push([name, report]);
      },
      conclude: async () => 0,
      list: async () => [],
      find: async () => null,
    },
    askTopicRetention: async ([topic = '']) => [{ topic, retentionMs: 7 * DAY_MS, compacted: false }],
    observer: { measured: () => {}, stepped: (name) => observed.push(name), concluded: () => {} },
    ledgerKeepDays: null,
    failedRawKeepDays: null,
    auditLog: { keepDays: 2_190, digest: trailDigest(null) },
    ...over,
  });
  return { ...activities.steps, done, recorded, observed };
}

const run = <R>(activity: (input: typeof RUN) => Promise<R>, input = RUN) =>
  new MockActivityEnvironment().run(activity, input) as Promise<R>;

it('what no retention is configured for is not pruned', async () => {
  const { maintainLedger, maintainUnreadable, done, recorded } = maintenance();
  expect([await run(maintainLedger), await run(maintainUnreadable)]).toEqual([{}, {}]);
  expect(done).toEqual([]);
  expect(recorded.map(([step]) => step)).toEqual(['ledger', 'unreadable']);
});

it('the ledger is pruned only when Kafka no longer has what it would forget', async () => {
  const short = maintenance({ ledgerKeepDays: 13 });
  expect(await run(short.maintainLedger)).toEqual({ refused: 1 });
  expect(short.done).toEqual([]);
  expect(short.recorded[0]?.[1].notes).toEqual([
    'The ledger forgets nothing: topic crm.leads needs LEDGER_KEEP_DAYS of 14 or more.',
  ]);
  const long = maintenance({ ledgerKeepDays: 14 });
  await run(long.maintainLedger);
  expect(long.done).toEqual(['ledger']);
});

it('a dry run is recorded, and no metric tells of it', async () => {
  const { maintainAhead, recorded, observed } = maintenance();
  await run(maintainAhead, { ...RUN, dryRun: true });
  expect([recorded.length, observed]).toEqual([1, []]);
});

it('Temporal may try again while what a dead worker began goes on in PostgreSQL', async () => {
  const { maintainDefaults } = maintenance({}, async () => {
    throw new MaintenanceBusyError();
  });
  await expect(run(maintainDefaults)).rejects.toMatchObject({ type: 'MaintenanceBusy', nonRetryable: false });
});
