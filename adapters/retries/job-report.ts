import type { Job } from 'bullmq';
import type { JobReport } from '../../activities/retry-ports.ts';
import type { JobData, JobName, JobResult } from './jobs.ts';

const STATES: ReadonlySet<string> = new Set<JobReport['state']>([
  'waiting',
  'delayed',
  'active',
  'completed',
  'failed',
]);

/** null when the job went meanwhile. */
export async function reportOf(job: Job<JobData, JobResult, JobName>): Promise<JobReport | null> {
  const state = await job.getState();
  if (!isReported(state)) {
    return null;
  }
  return {
    jobId: job.id ?? '',
    kind: job.name,
    binding: ('binding' in job.data ? job.data.binding : null) ?? null,
    state,
    outcome: state === 'completed' ? job.returnvalue : null,
    error: job.failedReason || null,
    attempts: job.attemptsStarted,
    createdAt: job.timestamp,
    runsAt: job.timestamp + (job.opts.delay ?? 0),
    startedAt: job.processedOn ?? null,
    finishedAt: job.finishedOn ?? null,
  };
}

function isReported(state: string): state is JobReport['state'] {
  return STATES.has(state);
}
