import {
  Client,
  type ConnectionLike,
  ScheduleAlreadyRunning,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { CONTROL_TASK_QUEUE, sweepId } from '../../workflows/contracts.ts';
import { maintenanceScheduleId } from '../../workflows/maintenance-contracts.ts';

/** What is due may wait for so long beyond its time when Redis has forgotten it. */
const SWEEP_EVERY = '1 minute';

interface Namespace {
  namespace: string;
  consumerGroup: string;
  /** As that of the workers. */
  dataConverter?: DataConverter;
}

/**
 * Makes the schedule of a consumer group's sweep, or brings it up to date; whether an operator paused it is left as it
 * is. Any number of workers may do so.
 * @throws when Temporal can't be reached or refuses
 */
export function keepSweepSchedule(connection: ConnectionLike, where: Namespace): Promise<void> {
  const { consumerGroup } = where;
  const scheduleId = sweepId(consumerGroup);
  return keep(connection, where, {
    scheduleId,
    spec: { intervals: [{ every: SWEEP_EVERY }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'sweepWorkflow',
      workflowId: scheduleId,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ consumerGroup }],
      staticSummary: `sweep of ${consumerGroup}`,
    },
    // A sweep that was missed is made up for by the next one.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: SWEEP_EVERY },
  });
}

/**
 * The same for partition maintenance.
 * @param cron five fields, in UTC
 */
export function keepMaintenanceSchedule(
  connection: ConnectionLike,
  { cron, ...where }: Namespace & { cron: string },
): Promise<void> {
  const scheduleId = maintenanceScheduleId(where.consumerGroup);
  return keep(connection, where, {
    scheduleId,
    spec: { cronExpressions: [cron] },
    action: {
      type: 'startWorkflow',
      workflowType: 'maintenanceWorkflow',
      workflowId: scheduleId,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{}],
      staticSummary: 'partition maintenance',
    },
    // Temporal that was away at its time is no reason to leave a day out.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '12 hours' },
  });
}

async function keep(
  connection: ConnectionLike,
  { namespace, dataConverter }: Namespace,
  { scheduleId, ...wanted }: ScheduleOptions & Required<Pick<ScheduleOptions, 'policies'>>,
): Promise<void> {
  const { schedule } = new Client({
    connection,
    namespace,
    ...(dataConverter !== undefined && { dataConverter }),
  });
  try {
    await schedule.create({ scheduleId, ...wanted });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) {
      throw error;
    }
    await schedule.getHandle(scheduleId).update(({ state }) => ({ ...wanted, state }));
  }
}
