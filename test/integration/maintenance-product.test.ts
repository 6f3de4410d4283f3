import { ScheduleOverlapPolicy } from '@temporalio/client';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { createMaintenanceRuns } from '../../adapters/postgres/maintenance-runs.ts';
import { createPartitionsAhead } from '../../adapters/postgres/partitions.ts';
import { createRetentionRules } from '../../adapters/postgres/retention.ts';
import { createMaintenanceControl } from '../../adapters/temporal/maintenance-control.ts';
import { keepMaintenanceSchedule } from '../../adapters/temporal/schedules.ts';
import { ControlRefusedError } from '../../workflows/control-port.ts';
import { MAINTENANCE_WORKFLOW_ID, maintenanceScheduleId } from '../../workflows/maintenance-contracts.ts';
import { createProduct } from '../helpers/product.ts';
import { eventually } from '../workflows/eventually.ts';
import { elsewhere } from './maintenance-harness.ts';

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
  // Kafka's own defaults are a week, and another until a segment is closed.
  expect(run?.steps.ledger?.notes.join()).toContain(`topic ${names[0]} needs LEDGER_KEEP_DAYS of 21 or more`);
  const history = await temporal.workflow.getHandle(await workflowOf(temporal)).fetchHistory();
  expect(JSON.stringify(history)).not.toContain(Buffer.from(CANARY).toString('base64').slice(0, 20));
  expect([JSON.stringify(run), ...(await product.workerLogs())].join()).not.toContain(CANARY);
});

it('a worker that is killed in the middle of a drain is followed by another, and every row is there once', async () => {
  const { pool, temporal, startWorker, end, env } = await createProduct();
  await pool.query(sql.unsafe`
    INSERT INTO analytics.crm_leads_staging (id, event_id, lead_id, organization_id, event_timestamp, event_type, ingestion_id)
    SELECT gen_random_uuid(), n::text, 'l', 'org-1', now() - interval '100 days', 'lead.created', gen_random_uuid()
    FROM generate_series(1, 1000) n
  `);
  await createPartitionsAhead(pool, Date.now(), 8, 'day');
  const run = { maintenanceId: '0190d5f0-0000-7000-8000-000000000001', dryRun: false, maintenanceWindow: false };
  const first = startWorker();
  await elsewhere(env.DATABASE_URL, async (reader) => {
    await reader.query('BEGIN; SELECT count(*) FROM analytics.crm_leads_staging');
    await createMaintenanceControl(temporal).start(run);
    // Its copy is made; its last step waits for the reader.
    await eventually(async () => {
      const draining = sql.type(z.object({ rows: z.number() }))`
        SELECT count(*) AS rows FROM analytics.crm_leads_staging_draining
      `;
      expect(await pool.oneFirst(draining)).toBe(1_000);
    });
    await end(first, 'SIGKILL');
  });
  startWorker();
  await temporal.workflow.getHandle(MAINTENANCE_WORKFLOW_ID).result();

  const where = sql.type(z.object({ rows: z.number(), ids: z.number(), lost: z.number() }))`
    SELECT count(*) AS rows, count(DISTINCT event_id) AS ids, count(*) FILTER (
      WHERE tableoid = 'analytics.crm_leads_staging_default'::regclass
    ) AS lost
    FROM analytics.crm_leads_staging
  `;
  expect(await pool.one(where)).toEqual({ rows: 1_000, ids: 1_000, lost: 0 });
  expect(await createMaintenanceRuns(pool).find(run.maintenanceId)).toMatchObject({ status: 'finished', reasons: [] });
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
