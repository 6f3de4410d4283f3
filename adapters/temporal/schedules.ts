import {
  Client,
  type ConnectionLike,
  ScheduleAlreadyRunning,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import { CONTROL_TASK_QUEUE, sweepId } from '../../workflows/contracts.ts';
import type { sweepWorkflow } from '../../workflows/index.ts';

/** What is due may wait for so long beyond its time when Redis has forgotten it. */
const SWEEP_EVERY = '1 minute';

/**
 * Makes the schedule of a consumer group's sweep, or brings it up to date; whether an operator paused it is left as it
 * is. Any number of workers may do so.
 * @throws when Temporal can't be reached or refuses
 */
export async function keepSweepSchedule(
  connection: ConnectionLike,
  { namespace, consumerGroup }: { namespace: string; consumerGroup: string },
): Promise<void> {
  const { schedule } = new Client({ connection, namespace });
  const scheduleId = sweepId(consumerGroup);
  const wanted = sweepSchedule(consumerGroup);
  try {
    await schedule.create<typeof sweepWorkflow>({ scheduleId, ...wanted });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) {
      throw error;
    }
    await schedule.getHandle(scheduleId).update<typeof sweepWorkflow>(({ state }) => ({ ...wanted, state }));
  }
}

function sweepSchedule(consumerGroup: string) {
  return {
    spec: { intervals: [{ every: SWEEP_EVERY }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'sweepWorkflow',
      workflowId: sweepId(consumerGroup),
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ consumerGroup }],
      staticSummary: `sweep of ${consumerGroup}`,
    },
    // A sweep that was missed is made up for by the next one.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: SWEEP_EVERY },
  } as const satisfies Omit<ScheduleOptions, 'scheduleId'>;
}
