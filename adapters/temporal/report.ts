import type { WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter, type PayloadCodec } from '@temporalio/common';
import {
  type IngestionStatus,
  type LaneProgress,
  laneActivityId,
  laneOfActivityId,
  SEARCH_ATTRIBUTES,
} from '../../workflows/contracts.ts';
import type { IngestionReport, LaneReport } from '../../workflows/control-port.ts';

type RawActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];
type PendingActivity = RawActivity & { progress: LaneProgress | null };

/** PENDING_ACTIVITY_STATE_SCHEDULED of Temporal's API: waits for a worker or for its next attempt. */
const SCHEDULED = 1;

/**
 * Puts together what the workflow says and what Temporal knows of its activities.
 * @param status null when no worker answered
 * @param codecs those of the client, in its order
 */
export async function reportOf(
  description: WorkflowExecutionDescription,
  status: IngestionStatus | null,
  codecs: readonly PayloadCodec[],
): Promise<IngestionReport> {
  const pending = await Promise.all(
    (description.raw.pendingActivities ?? []).map((activity) => withProgress(activity, codecs)),
  );
  const lanes = status === null ? lanesOf(pending) : lanesByDeal(status, pending);
  return {
    workflowId: description.workflowId,
    phase: status?.phase ?? phaseOf(description),
    settings: status?.settings ?? null,
    state: status?.state ?? null,
    lanes,
    problem: problemOf(description, status, lanes, pending),
  };
}

export function neverStarted(workflowId: string): IngestionReport {
  return { workflowId, phase: 'never-started', settings: null, state: null, lanes: [], problem: null };
}

function lanesByDeal({ state }: IngestionStatus, pending: PendingActivity[]): LaneReport[] {
  return state.assignments.map((partitions, lane) => {
    const activity = pending.find(({ activityId }) => activityId === laneActivityId(lane));
    const parked = state.parked.find((entry) => entry.lane === lane);
    if (parked) {
      return { ...idleLane(lane), partitions, phase: 'parked', lastError: parked.reason };
    }
    return { ...(activity ? runningLane(lane, activity) : idleLane(lane)), partitions };
  });
}

/** Without the workflow's word, the lanes that have an activity. */
function lanesOf(pending: PendingActivity[]): LaneReport[] {
  return pending
    .flatMap((activity) => {
      const lane = laneOfActivityId(activity.activityId ?? '');
      return lane === null ? [] : [runningLane(lane, activity)];
    })
    .sort((a, b) => a.lane - b.lane);
}

function idleLane(lane: number): LaneReport {
  return { lane, partitions: [], phase: 'idle', attempt: 0, nextAttemptAt: null, progress: null, lastError: null };
}

function runningLane(lane: number, activity: PendingActivity): LaneReport {
  const waiting = activity.state === SCHEDULED;
  const { progress } = activity;
  return {
    lane,
    partitions: progress?.watermarks.map(({ topic, partition }) => ({ topic, partition })) ?? [],
    phase: waiting ? 'waiting' : 'running',
    attempt: activity.attempt ?? 0,
    nextAttemptAt: waiting ? isoTime(activity.nextAttemptScheduleTime) : null,
    progress,
    lastError: activity.lastFailure?.message ?? null,
  };
}

/** What a lane reported; nothing where it is encrypted with a key that is missing here. */
async function withProgress(activity: RawActivity, codecs: readonly PayloadCodec[]): Promise<PendingActivity> {
  try {
    let payloads = activity.heartbeatDetails?.payloads ?? [];
    for (const codec of codecs.toReversed()) payloads = await codec.decode(payloads);
    const [payload] = payloads;
    const progress = payload ? defaultPayloadConverter.fromPayload<LaneProgress | undefined>(payload) : undefined;
    return { ...activity, progress: progress ?? null };
  } catch {
    return { ...activity, progress: null };
  }
}

function phaseOf(description: WorkflowExecutionDescription): IngestionReport['phase'] {
  if (description.status.name !== 'RUNNING') {
    return 'stopped';
  }
  const [phase] = description.searchAttributes[SEARCH_ATTRIBUTES.phase] ?? [];
  return (phase as IngestionReport['phase'] | undefined) ?? 'starting';
}

function problemOf(
  { status: { name } }: WorkflowExecutionDescription,
  status: IngestionStatus | null,
  lanes: LaneReport[],
  pending: PendingActivity[],
): string | null {
  if (name !== 'RUNNING') {
    return name === 'COMPLETED' ? null : `it did not stop in good order: Temporal says ${name}`;
  }
  if (status === null) {
    return 'no worker answers: start one, or look into its log';
  }
  const lane = lanes.find(({ lastError, phase }) => phase === 'parked' || (lastError !== null && phase === 'waiting'));
  if (lane) {
    return `lane ${lane.lane} ${lane.phase === 'parked' ? 'is parked' : 'tries again'}: ${lane.lastError}`;
  }
  const stalled = lanes.find(({ progress }) => progress?.trouble);
  if (stalled) {
    return `lane ${stalled.lane} waits: ${stalled.progress?.trouble}`;
  }
  const failing = pending.find(
    ({ activityType, lastFailure, state }) => lastFailure && state === SCHEDULED && activityType?.name !== 'lane',
  );
  return failing ? `${failing.activityType?.name} tries again: ${failing.lastFailure?.message}` : null;
}

function isoTime(time: RawActivity['nextAttemptScheduleTime']): string | null {
  return time ? new Date(Number(time.seconds ?? 0) * 1_000 + (time.nanos ?? 0) / 1_000_000).toISOString() : null;
}
