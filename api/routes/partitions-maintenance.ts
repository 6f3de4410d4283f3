/** Runs of partition maintenance: starting one beside the schedule, and their reports. */
import { randomUUID } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { answer, jsonBody } from '../schemas.ts';

const LISTED = 30;

const RequestSchema = z
  .object({
    dryRun: z
      .boolean()
      .default(false)
      .openapi({ description: 'Changes nothing; the report has the statements that would be run, in order.' }),
    maintenanceWindow: z.boolean().default(false).openapi({
      description: 'Readers and writers may wait for longer than 100 ms, which many rows in a DEFAULT partition need.',
    }),
  })
  .strict()
  .openapi('MaintenanceRequest');

const StepSchema = z.object({
  counts: z.record(z.string(), z.number()).openapi({ description: 'docs/PARTITIONS.md explains each.' }),
  statements: z.array(z.string()).openapi({ description: 'Of a dry run; left out of lists.' }),
  notes: z.array(z.string()).openapi({ description: 'What a person should know or do.' }),
});

const RunSchema = z
  .object({
    maintenanceId: z.string(),
    dryRun: z.boolean(),
    maintenanceWindow: z.boolean(),
    status: z
      .enum(['requested', 'running', 'finished', 'failed', 'skipped'])
      .openapi({ description: '`skipped`: another one was at work.' }),
    steps: z.object({
      ahead: StepSchema.optional(),
      drain: StepSchema.optional(),
      retire: StepSchema.optional(),
      expire: StepSchema.optional(),
      ledger: StepSchema.optional(),
      unreadable: StepSchema.optional(),
      'audit-log': StepSchema.optional(),
    }),
    reasons: z.array(z.string()).openapi({ description: 'Why steps failed; the others were done all the same.' }),
    requestedBy: z.string().openapi({ description: '`schedule`, or who asked.' }),
    requestedAt: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .openapi('MaintenanceRun');

const tags = ['Partitions'];

const maintain = createRoute({
  method: 'post',
  path: '/partitions/maintain',
  ...permits('partition:manage', 'installation'),
  tags,
  summary: 'Maintain the partitions now',
  description: 'Does what the schedule does each day. One run at a time.',
  request: { body: jsonBody(RequestSchema) },
  responses: {
    202: answer('It has begun.', z.object({ maintenanceId: z.string() })),
    ...problemResponses(
      'invalid-request',
      'refused',
      'unsupported-media-type',
      'too-large',
      'server-unavailable',
      'control-unavailable',
      'internal',
    ),
  },
});

const list = createRoute({
  method: 'get',
  path: '/partitions/maintenance',
  ...permits('ingestion:read', 'installation'),
  tags,
  summary: 'The latest runs of partition maintenance',
  description: 'What each step did, and what a person should know or do.',
  responses: {
    200: answer(`The last ${LISTED}, latest first.`, z.object({ runs: z.array(RunSchema) })),
    ...problemResponses('server-unavailable', 'internal'),
  },
});

const one = createRoute({
  method: 'get',
  path: '/partitions/maintenance/{id}',
  ...permits('ingestion:read', 'installation'),
  tags,
  summary: 'One run of partition maintenance',
  description: 'Of a dry run with the statements that would be run, in order.',
  request: { params: z.object({ id: z.uuid() }) },
  responses: {
    200: answer('The run.', RunSchema),
    ...problemResponses('invalid-request', 'unknown-maintenance', 'server-unavailable', 'internal'),
  },
});

export function maintenanceRoutes({
  maintenance,
  maintenanceControl,
}: Pick<ApiDeps, 'maintenance' | 'maintenanceControl'>) {
  return createRouter()
    .openapi(maintain, async (c) => {
      const run = { maintenanceId: randomUUID(), ...c.req.valid('json') };
      await maintenance.request({ ...run, requestedBy: c.get('principal').name });
      try {
        await maintenanceControl.start(run);
      } catch (error) {
        await maintenance.conclude(run.maintenanceId, 'skipped', ['it could not be started']);
        throw error;
      }
      return c.json({ maintenanceId: run.maintenanceId }, 202);
    })
    .openapi(list, async (c) => c.json({ runs: await maintenance.list(LISTED) }, 200))
    .openapi(one, async (c) => {
      const { id } = c.req.valid('param');
      const run = await maintenance.find(id);
      if (run === null) {
        throw new ProblemError(
          'unknown-maintenance',
          `No run has the id ${id}; GET /partitions/maintenance lists them.`,
        );
      }
      return c.json(run, 200);
    });
}
