import { ScheduleOverlapPolicy } from '@temporalio/client';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { createMaintenanceRuns } from '../../adapters/postgres/maintenance-runs.ts';
import { createRetentionRules } from '../../adapters/postgres/retention.ts';
import { createMaintenanceControl } from '../../adapters/temporal/maintenance-control.ts';
import { keepMaintenanceSchedule } from '../../adapters/temporal/schedules.ts';
import { ControlRefusedError } from '../../workflows/control-port.ts';
import { MAINTENANCE_WORKFLOW_ID, maintenanceScheduleId } from '../../workflows/maintenance-contracts.ts';
import { createProduct } from '../helpers/product.ts';
import { eventually } from '../workflows/eventually.ts';

const CANARY = 'canary.maintenance@example.com';

it('the schedule is kept by the worker, maintains what real servers hold, and tells nothing personal', async () => {
  const product = await createProduct({
    env: { LEDGER_KEEP_DAYS: '1', PARTITION_AHEAD: '1', MAINTENANCE_CRON: '5 4 * * *' },
  });
  const { pool, temporal, names, consumerGroup, startWorker } = product;
  await pool.query(sql.unsafe`
    INSERT INTO analytics.crm_sources (topic) SELECT unnest(string_to_array(${names.join(' ')}, ' '))
  `);
  await pool.query(sql.unsafe`
    INSERT INTO analytics.crm_leads_staging (
      id, event_id, lead_id, email, organization_id, event_timestamp, event_type, ingestion_id
    )
    VALUES (gen_random_uuid(), 'e', 'l', ${CANARY}, 'org-1', now() - interval '100 days', 'lead.created', gen_random_uuid())
  `);
  await createRetentionRules(pool).put({
    table: 'crm_leads_staging',
    organizationId: null,
    keepDays: 30,
    afterwards: 'archive',
    late: 'drop',
    changedBy: 'ann',
  });
  startWorker();

  const schedule = temporal.schedule.getHandle(maintenanceScheduleId(consumerGroup));
  await eventually(async () => {
    expect((await schedule.describe()).policies.overlap).toBe(ScheduleOverlapPolicy.SKIP);
  });
  await schedule.trigger();
  const runs = createMaintenanceRuns(pool);
  await eventually(async () => {
    expect((await runs.list(1))[0]?.status).toBe('finished');
  });

  const [run] = await runs.list(1);
  expect(run).toMatchObject({
    requestedBy: 'schedule',
    steps: {
      ahead: { counts: {} },
      drain: { counts: { found: 1, drained: 1 } },
      retire: { counts: { detached: 1, archived: 1, archivedRows: 1 } },
      ledger: { counts: { refused: 1 } },
    },
  });
  // Kafka's own default is a week.
  expect(run?.steps.ledger?.notes.join()).toContain(`topic ${names[0]} needs LEDGER_KEEP_DAYS of 14 or more`);
  const history = await temporal.workflow.getHandle(await workflowOf(temporal)).fetchHistory();
  expect(JSON.stringify(history)).not.toContain(Buffer.from(CANARY).toString('base64').slice(0, 20));
  expect([JSON.stringify(run), ...(await product.workerLogs())].join()).not.toContain(CANARY);
});

it('a run by hand is one at a time, and another schedule is brought up to date', async () => {
  const { temporal, consumerGroup } = await createProduct();
  const control = createMaintenanceControl(temporal);
  const run = { maintenanceId: 'm', dryRun: true, maintenanceWindow: false };
  await control.start(run);
  await expect(control.start(run)).rejects.toThrow(ControlRefusedError);
  await temporal.workflow.getHandle(MAINTENANCE_WORKFLOW_ID).terminate();

  const namespace = temporal.options.namespace;
  for (const cron of ['30 3 * * *', '15 22 * * *']) {
    await keepMaintenanceSchedule(temporal.connection, { namespace, consumerGroup, cron });
  }
  const { spec, action } = await temporal.schedule.getHandle(maintenanceScheduleId(consumerGroup)).describe();
  expect(spec.calendars).toMatchObject([{ hour: [{ start: 22 }], minute: [{ start: 15 }] }]);
  expect(action).toMatchObject({ workflowType: 'maintenanceWorkflow', args: [{}] });
});

/** Temporal adds the time to the id of a schedule's run. */
async function workflowOf(temporal: Awaited<ReturnType<typeof createProduct>>['temporal']): Promise<string> {
  for await (const { workflowId } of temporal.workflow.list({ query: "WorkflowType = 'maintenanceWorkflow'" })) {
    return workflowId;
  }
  throw new Error('no run of the schedule is known');
}
