/** Numbers: a handful as JSON for people and scripts, all of them for Prometheus. */
import { createRoute, z } from '@hono/zod-openapi';
import { quantiles } from '../../platform/quantiles.ts';
import { createRouter } from '../env.ts';
import { problemResponses } from '../errors.ts';
import { createParts } from '../parts.ts';
import { OPEN, permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { NotesSchema } from '../schemas.ts';

const count = (description: string) => z.number().int().nullable().openapi({ description });

const KeyMetricsSchema = z
  .object({
    consumerGroup: z.string(),
    eventsProcessed: count('Deliveries that became a staging row.'),
    eventsSkipped: count('Deliveries of events that were staged before.'),
    eventsConflicting: count('Of those skipped: the same event id with other content or of another organization.'),
    eventsFiltered: count('Deliveries of event types that are configured away.'),
    processingErrors: count('Deliveries that could not be staged: `eventsFailed` and `eventsDead` together.'),
    eventsFailed: count('Of the errors: those that wait for a retry.'),
    eventsDead: count("Of the errors: those that can't succeed without a person's help."),
    processingTime: z
      .object({
        p50Ms: z.number(),
        p99Ms: z.number(),
        meanMs: z.number(),
        events: z.number().int().openapi({ description: 'How many events that is measured over.' }),
      })
      .nullable()
      .openapi({
        description:
          "From a record's timestamp in Kafka to its commit in PostgreSQL, since this process started, read from a histogram. Null in a process that runs no lanes: see /metrics of the workers.",
      }),
    queueDepth: z
      .object({
        total: z.number().int().openapi({ description: 'Waiting, delayed and active.' }),
        waiting: z.number().int(),
        delayed: z.number().int(),
        active: z.number().int(),
        failed: z.number().int(),
      })
      .nullable()
      .openapi({ description: 'Jobs in the retry queue.' }),
    notes: NotesSchema,
  })
  .openapi('KeyMetrics');

const keyMetrics = createRoute({
  method: 'get',
  path: '/metrics',
  ...permits('ingestion:read', 'installation'),
  tags: ['Ingestion'],
  summary: 'Key metrics as JSON',
  description:
    'Counts are those of the consumer group since its first start, from PostgreSQL. When PostgreSQL or Redis is down, what only it knows is null and `notes` says so.',
  responses: {
    200: { description: 'The numbers.', content: { 'application/json': { schema: KeyMetricsSchema } } },
    ...problemResponses('internal'),
  },
});

type KeyMetricsDeps = Pick<ApiDeps, 'settings' | 'counters' | 'queue' | 'metrics' | 'logger'>;

export function ingestionMetricsRoutes({ settings, counters, queue, metrics, logger }: KeyMetricsDeps) {
  return createRouter().openapi(keyMetrics, async (c) => {
    const parts = createParts(logger);
    const { consumerGroup } = settings;
    const [totals, depth, time] = await Promise.all([
      parts.get('counts of events', 'PostgreSQL', () => counters.totals(consumerGroup)),
      parts.get('queue depth', 'Redis', () => queue.depth()),
      quantiles(metrics.produceToCommitSeconds, [0.5, 0.99]),
    ]);
    return c.json(
      {
        consumerGroup,
        eventsProcessed: totals?.processed ?? null,
        eventsSkipped: totals?.skipped ?? null,
        eventsConflicting: totals?.conflicts ?? null,
        eventsFiltered: totals?.filtered ?? null,
        processingErrors: totals && totals.failed + totals.dead,
        eventsFailed: totals?.failed ?? null,
        eventsDead: totals?.dead ?? null,
        processingTime: time && {
          p50Ms: milliseconds(time.values[0]),
          p99Ms: milliseconds(time.values[1]),
          meanMs: milliseconds(time.mean),
          events: time.count,
        },
        queueDepth: depth && { total: depth.waiting + depth.delayed + depth.active, ...depth },
        notes: parts.notes,
      },
      200,
    );
  });
}

function milliseconds(seconds = 0): number {
  return Math.round(seconds * 10_000) / 10;
}

const prometheus = createRoute({
  method: 'get',
  path: '/metrics',
  ...OPEN,
  tags: ['Observability'],
  summary: 'All metrics for Prometheus',
  description:
    'Of this process; workers have their own on WORKER_PORT. Needs no authentication, like every scrape target: keep the port inside your network. Labels hold event types, topics and route patterns, never data.',
  responses: {
    200: {
      description: 'Prometheus text format.',
      content: { 'text/plain': { schema: z.string() } },
    },
    ...problemResponses('internal'),
  },
});

export function prometheusRoutes({ metrics }: Pick<ApiDeps, 'metrics'>) {
  return createRouter().openapi(prometheus, async (c) =>
    c.text(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType }),
  );
}
