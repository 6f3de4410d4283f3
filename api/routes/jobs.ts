/** What became of jobs of the retry queue. */
import { createRoute, z } from '@hono/zod-openapi';
import { mayKnow } from '../../activities/job-binding.ts';
import type { JobReport } from '../../activities/retry-ports.ts';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';

const Time = z.iso.datetime();

const OutcomeSchema = z
  .object({
    outcome: z.enum(['processed', 'filtered', 'skipped', 'failed', 'dead', 'tombstone', 'nothing-there']),
    reason: z.enum(['duplicate', 'conflict', 'reread', 'settled']).nullable().openapi({
      description:
        'Why it was skipped: `reread` this very message was ingested before, `settled` it had failed and was settled since.',
    }),
    code: z.string().nullable().openapi({ description: 'The failure code of an event that failed.' }),
    detail: z
      .string()
      .nullable()
      .openapi({ description: 'For a person; names fields and limits, never what they hold.' }),
  })
  .openapi('JobOutcome');

const JobSchema = z
  .object({
    jobId: z.string(),
    kind: z.enum(['enqueue', 'retry']),
    state: z
      .enum(['waiting', 'delayed', 'active', 'completed', 'failed'])
      .openapi({ description: '`delayed`: its time has not come, or a server is in trouble. `failed`: given up.' }),
    outcome: OutcomeSchema.nullable().openapi({ description: 'Null until it is completed.' }),
    error: z.string().nullable().openapi({ description: 'Why its last attempt did not get through.' }),
    attempts: z.number().int().openapi({ description: 'How often it was begun.' }),
    createdAt: Time,
    runsAt: Time.openapi({ description: 'When it is to run first.' }),
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
  })
  .openapi('Job');

const job = createRoute({
  method: 'get',
  path: '/jobs/{id}',
  ...permits('ingestion:read', 'organization'),
  tags: ['Retries'],
  summary: 'What became of a job',
  description:
    'Jobs of POST /enqueue can be asked for as long as RETRY_KEEP_JOBS_SECONDS says. Retries go as soon as they are done: their outcome is with the failed event.',
  request: {
    params: z.object({
      id: z
        .string()
        .regex(/^(?:failed|enqueue)-[\w-]{1,200}$/u)
        .openapi({ example: 'enqueue-1' }),
    }),
  },
  responses: {
    200: { description: 'The job.', content: { 'application/json': { schema: JobSchema } } },
    ...problemResponses('invalid-request', 'unknown-job', 'queue-unavailable', 'internal'),
  },
});

export function jobsRoutes({ jobs }: Pick<ApiDeps, 'jobs'>) {
  return createRouter().openapi(job, async (c) => {
    const report = await jobs.job(c.req.valid('param').id);
    if (report === null || !mayKnow(c.get('principal').organizations, report.binding)) {
      throw new ProblemError('unknown-job', 'It was never there, or finished too long ago to be remembered.');
    }
    return c.json(toJson(report), 200);
  });
}

function toJson(report: JobReport): z.infer<typeof JobSchema> {
  const { binding: _, outcome, createdAt, runsAt, startedAt, finishedAt, ...rest } = report;
  return {
    ...rest,
    outcome: outcome && { reason: null, code: null, detail: null, ...outcome },
    createdAt: iso(createdAt),
    runsAt: iso(runsAt),
    startedAt: startedAt === null ? null : iso(startedAt),
    finishedAt: finishedAt === null ? null : iso(finishedAt),
  };
}

const iso = (epochMs: number) => new Date(epochMs).toISOString();
