/** Telling the ingestion what to do. All of it is idempotent. */
import { createRoute, z } from '@hono/zod-openapi';
import { createRouter } from '../env.ts';
import { problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { answer, jsonBody, PhaseSchema } from '../schemas.ts';

/** How long POST /stop waits for the batches under way before it answers that they still are. */
const STOP_WAIT_MS = 5_000;

const StartedSchema = z
  .object({
    phase: PhaseSchema,
    started: z.boolean().openapi({ description: 'False when it was running already.' }),
    workflowId: z.string().openapi({ description: 'Finds the ingestion in the Temporal UI.' }),
    ingestionId: z.string().openapi({ description: 'The `ingestion_id` of every row this run writes.' }),
  })
  .openapi('Started');

const StateSchema = z
  .object({
    phase: PhaseSchema,
    message: z.string().openapi({ description: 'What that means, for a person.' }),
  })
  .openapi('State');

const LanesSchema = z
  .object({
    lanes: z.number().int().min(1).max(1_000).openapi({ description: 'Lanes over all workers.', example: 4 }),
  })
  .strict()
  .openapi('Lanes');

const SeekSchema = z
  .object({
    topic: z.string().min(1).max(249).openapi({ example: 'crm.leads' }),
    partition: z.number().int().min(0).max(2_147_483_647).openapi({ example: 0 }),
    to: z
      .union([z.number().int().min(0), z.enum(['earliest', 'latest'])], {
        error: 'expected an offset, earliest or latest',
      })
      .openapi({ description: "The next offset to read, or the partition's start or end.", example: 'earliest' }),
  })
  .strict()
  .openapi('Seek');

const SoughtSchema = z
  .object({
    topic: z.string(),
    partition: z.number().int(),
    from: z.number().int().openapi({ description: 'The position before.' }),
    to: z.number().int().openapi({ description: 'The position now.' }),
  })
  .openapi('Sought');

const tags = ['Control'];

const start = createRoute({
  method: 'post',
  path: '/start',
  ...permits('ingestion:start', 'installation'),
  tags,
  summary: 'Start the ingestion',
  description: 'Starts reading where the positions in PostgreSQL say. One that runs already is left alone.',
  responses: {
    200: answer('It was running already.', StartedSchema),
    202: answer('It has been started; /status shows how it comes up.', StartedSchema),
    ...problemResponses('refused', 'too-large', 'control-unavailable', 'internal'),
  },
});

const stop = createRoute({
  method: 'post',
  path: '/stop',
  ...permits('ingestion:stop', 'installation'),
  tags,
  summary: 'Stop the ingestion',
  description: 'Lets the batches under way commit, then ends the run. Positions stay; a later start goes on from them.',
  responses: {
    200: answer('It has stopped, or was not running.', StateSchema),
    202: answer('It is stopping: batches under way are still committing.', StateSchema),
    ...problemResponses('too-large', 'control-unavailable', 'internal'),
  },
});

const pause = createRoute({
  method: 'post',
  path: '/pause',
  ...permits('ingestion:pause', 'installation'),
  tags,
  summary: 'Pause reading',
  description: 'Stops reading within 2 s and keeps everything else as it is.',
  responses: {
    200: answer('It is paused.', StateSchema),
    202: answer('It is about to be.', StateSchema),
    ...problemResponses('not-running', 'too-large', 'control-unavailable', 'internal'),
  },
});

const resume = createRoute({
  method: 'post',
  path: '/resume',
  ...permits('ingestion:pause', 'installation'),
  tags,
  summary: 'Go on after a pause',
  description: 'Goes on at the next offset. Lanes that gave up on an error try again.',
  responses: {
    200: answer('It is running.', StateSchema),
    202: answer('It is about to be.', StateSchema),
    ...problemResponses('not-running', 'too-large', 'control-unavailable', 'internal'),
  },
});

const setLanes = createRoute({
  method: 'put',
  path: '/lanes',
  ...permits('ingestion:start', 'installation'),
  tags,
  summary: 'Set the number of lanes',
  description: 'Deals the partitions to another number of lanes while the ingestion runs.',
  request: { body: jsonBody(LanesSchema) },
  responses: {
    200: answer('The partitions are dealt anew.', LanesSchema),
    ...problemResponses(
      'invalid-request',
      'not-running',
      'refused',
      'too-large',
      'unsupported-media-type',
      'control-unavailable',
      'internal',
    ),
  },
});

const seek = createRoute({
  method: 'post',
  path: '/seek',
  ...permits('ingestion:start', 'installation'),
  tags,
  summary: 'Move the position of a partition',
  description:
    'Backwards reads again what was read: duplicates are recognised and skipped. Forwards leaves records out; the jump is kept in the books.',
  request: { body: jsonBody(SeekSchema) },
  responses: {
    200: answer('The position has moved.', SoughtSchema),
    ...problemResponses(
      'invalid-request',
      'not-running',
      'refused',
      'too-large',
      'unsupported-media-type',
      'control-unavailable',
      'internal',
    ),
  },
});

export function controlRoutes({ control, settings }: Pick<ApiDeps, 'control' | 'settings'>) {
  const { consumerGroup } = settings;
  const phaseNow = async () => (await control.status(consumerGroup)).phase;

  return createRouter()
    .openapi(start, async (c) => {
      const { workflowId, runId, started } = await control.start(settings);
      const body = { phase: await phaseNow(), started, workflowId, ingestionId: runId };
      return started ? c.json(body, 202) : c.json(body, 200);
    })
    .openapi(stop, async (c) => {
      const before = await phaseNow();
      if (before === 'never-started' || before === 'stopped') {
        return c.json({ phase: before, message: 'No ingestion was running.' }, 200);
      }
      const { stopped } = await control.stop(consumerGroup, { waitMs: STOP_WAIT_MS });
      if (stopped) return c.json({ phase: 'stopped' as const, message: 'The ingestion has stopped.' }, 200);
      return c.json({ phase: 'stopping' as const, message: 'Batches under way are committing; see /status.' }, 202);
    })
    .openapi(pause, async (c) => {
      await control.pause(consumerGroup);
      const phase = await phaseNow();
      if (phase === 'paused') return c.json({ phase, message: 'Nothing is read until it is resumed.' }, 200);
      return c.json({ phase, message: 'Reading stops within 2 s; see /status.' }, 202);
    })
    .openapi(resume, async (c) => {
      await control.resume(consumerGroup);
      const phase = await phaseNow();
      if (phase === 'running') return c.json({ phase, message: 'It reads on at the next offsets.' }, 200);
      return c.json({ phase, message: 'Lanes are about to read on; see /status.' }, 202);
    })
    .openapi(setLanes, async (c) => {
      const { lanes } = c.req.valid('json');
      await control.setLanes(consumerGroup, lanes);
      return c.json({ lanes }, 200);
    })
    .openapi(seek, async (c) => c.json(await control.seek(consumerGroup, c.req.valid('json')), 200));
}
