/** Ingesting one message because somebody asks for it. */
import { createRoute, z } from '@hono/zod-openapi';
import { bindingOf } from '../../activities/job-binding.ts';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { jsonBody } from '../schemas.ts';

const LONGEST_DELAY_MS = 30 * 86_400_000;

const EnqueueSchema = z
  .object({
    topic: z.string().min(1).max(249).openapi({ description: 'One of those that are ingested.', example: 'crm.leads' }),
    partition: z.number().int().min(0).max(2_147_483_647).openapi({ example: 0 }),
    offset: z.number().int().min(0).openapi({ example: 1234 }),
    delay: z
      .number()
      .int()
      .min(0)
      .max(LONGEST_DELAY_MS)
      .default(0)
      .openapi({ description: 'How long to wait before it is read, in milliseconds; at most 30 days.', example: 0 }),
  })
  .strict()
  .openapi('Enqueue');

const EnqueuedSchema = z
  .object({
    jobId: z.string().openapi({ description: 'GET /jobs/{id} tells what became of it.' }),
    runsAt: z.iso.datetime(),
  })
  .openapi('Enqueued');

const enqueue = createRoute({
  method: 'post',
  path: '/enqueue',
  ...permits('replay:create', 'organization'),
  tags: ['Retries'],
  summary: 'Ingest one message',
  description:
    'Reads the message from Kafka, after the delay, and ingests it like any other: one that is known already is skipped, one that failed is retried. Whether there is such a message is checked at once, and again when it is read. No position moves. An identity that is bound to organizations reaches their messages alone.',
  request: { body: jsonBody(EnqueueSchema) },
  responses: {
    202: { description: 'It will be read.', content: { 'application/json': { schema: EnqueuedSchema } } },
    ...problemResponses(
      'invalid-request',
      'forbidden',
      'unknown-topic',
      'unknown-partition',
      'offset-not-written',
      'offset-deleted',
      'too-large',
      'unsupported-media-type',
      'log-unavailable',
      'queue-unavailable',
      'internal',
    ),
  },
});

export function enqueueRoutes({ jobs, locate }: Pick<ApiDeps, 'jobs' | 'locate'>) {
  return createRouter().openapi(enqueue, async (c) => {
    const { delay, ...at } = c.req.valid('json');
    const located = await locate(at);
    if (located.problem !== null) throw new ProblemError(located.problem, located.detail);
    const { organizations } = c.get('principal');
    if (organizations?.length === 0) throw new ProblemError('forbidden', 'Your identity is bound to no organization.');
    const { jobId, runsAt } = await jobs.enqueue(at, delay, bindingOf(organizations));
    c.header('location', `${c.req.path.replace(/enqueue$/u, 'jobs')}/${jobId}`);
    return c.json({ jobId, runsAt: new Date(runsAt).toISOString() }, 202);
  });
}
