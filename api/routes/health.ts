/** Whether the process lives, and whether the servers it needs answer. */
import { createRoute, z } from '@hono/zod-openapi';
import { createRouter } from '../env.ts';
import { problemResponses } from '../errors.ts';
import { OPEN } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';

const HealthSchema = z
  .object({
    status: z.enum(['ok', 'degraded', 'down']).openapi({
      description: '`degraded`: everything needed is up, something else is not. `down`: something needed is down.',
    }),
    checks: z.record(
      z.string(),
      z.object({
        status: z.enum(['up', 'down']),
        needed: z.boolean(),
        latencyMs: z.number().int(),
        error: z.string().optional(),
      }),
    ),
  })
  .openapi('Health', {
    example: { status: 'ok', checks: { database: { status: 'up', needed: true, latencyMs: 2 } } },
  });

const tags = ['Observability'];

const readiness = createRoute({
  method: 'get',
  path: '/health',
  ...OPEN,
  tags,
  summary: 'Whether the servers we need answer',
  description:
    'Asks database, Redis, Kafka, schema registry and Temporal side by side, each for at most 2 s. Needs no authentication and tells neither addresses nor versions.',
  responses: {
    200: {
      description: 'Everything needed is up.',
      content: { 'application/json': { schema: HealthSchema } },
    },
    503: {
      description: 'Something needed is down.',
      content: { 'application/json': { schema: HealthSchema } },
    },
    ...problemResponses('internal'),
  },
});

const liveness = createRoute({
  method: 'get',
  path: '/health/live',
  ...OPEN,
  tags,
  summary: 'Whether the process lives',
  description: 'Asks no other server, so a restart is the right answer to a failure. Needs no authentication.',
  responses: {
    200: {
      description: 'It lives.',
      content: { 'application/json': { schema: z.object({ status: z.literal('ok') }).openapi('Liveness') } },
    },
    ...problemResponses('internal'),
  },
});

export function healthRoutes({ health }: Pick<ApiDeps, 'health'>) {
  return createRouter()
    .openapi(readiness, async (c) => {
      const report = await health.report();
      return report.status === 'down' ? c.json(report, 503) : c.json(report, 200);
    })
    .openapi(liveness, (c) => c.json({ status: 'ok' as const }, 200));
}
