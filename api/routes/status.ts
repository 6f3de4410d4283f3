/** What the ingestion does now. */
import { createRoute, z } from '@hono/zod-openapi';
import type { LaneReport } from '../../workflows/control-port.ts';
import { CauseSchema, causesOf } from '../causes.ts';
import { createRouter } from '../env.ts';
import { problemResponses } from '../errors.ts';
import { lagOf, partitionsOf, progressOf } from '../partition-progress.ts';
import { createParts } from '../parts.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { NotesSchema, PhaseSchema } from '../schemas.ts';

const time = z.iso.datetime().openapi({ description: 'ISO 8601, UTC.', example: '2026-01-31T12:00:00.000Z' });

const PartitionIdSchema = z.object({ topic: z.string(), partition: z.number().int() }).openapi('Partition');

const LaneSchema = z
  .object({
    lane: z.number().int(),
    phase: z.enum(['running', 'waiting', 'parked', 'idle']).openapi({
      description:
        '`waiting`: for a worker with a free slot or for its next attempt; `parked`: gave up until someone resumes or seeks; `idle`: has nothing to read or is paused.',
    }),
    worker: z.string().nullable().openapi({ description: 'Who reads; null when nobody does.' }),
    partitions: z.array(PartitionIdSchema),
    attempt: z.number().int().openapi({ description: 'Attempts of the slice under way; 0 when there is none.' }),
    nextAttemptAt: time.nullable(),
    trouble: z.string().nullable().openapi({ description: 'The server it waits for, null when it does not wait.' }),
    lastError: z.string().nullable(),
  })
  .openapi('Lane');

const ProgressSchema = z
  .object({
    topic: z.string(),
    partition: z.number().int(),
    lane: z.number().int().nullable().openapi({ description: 'The lane that reads it; null when none does.' }),
    position: z.number().int().nullable().openapi({ description: 'Next offset to read, as PostgreSQL has it.' }),
    end: z.number().int().nullable().openapi({ description: 'Offset after the last stable record in Kafka.' }),
    lagEvents: z.number().int().nullable().openapi({ description: '`end` minus `position`, never below 0.' }),
    lagSeconds: z.number().nullable().openapi({
      description:
        'How long ago the last record that was committed had been produced, while there is more to read; 0 without lag, null before the first record.',
    }),
    committedAt: time.nullable().openapi({ description: 'When the position moved last.' }),
  })
  .openapi('PartitionProgress');

export const StatusSchema = z
  .object({
    consumerGroup: z.string(),
    workflowId: z.string(),
    phase: PhaseSchema,
    ingestionId: z.string().nullable().openapi({ description: 'The `ingestion_id` of the rows; null without a run.' }),
    startedAt: time.nullable(),
    lanes: z.array(LaneSchema),
    partitions: z
      .array(ProgressSchema)
      .nullable()
      .openapi({ description: 'Null when neither the workflow nor PostgreSQL could tell of them.' }),
    lag: z
      .object({ events: z.number().int().nullable(), seconds: z.number().nullable() })
      .openapi({ description: 'The sum of the events and the most seconds over all partitions; null when unknown.' }),
    lastError: z.string().nullable(),
    causes: z.array(CauseSchema).openapi({ description: 'What keeps events from being stored; empty is good.' }),
    problem: z.string().nullable().openapi({ description: 'What keeps the ingestion from working.' }),
    notes: NotesSchema,
  })
  .openapi('Status');

const status = createRoute({
  method: 'get',
  path: '/status',
  ...permits('ingestion:read', 'installation'),
  tags: ['Ingestion'],
  summary: 'What the ingestion does now',
  description:
    'Phase, lanes, and the position and lag of every partition. When Kafka or PostgreSQL is down, what only it knows is null and `notes` says so.',
  responses: {
    200: { description: 'The state of the ingestion.', content: { 'application/json': { schema: StatusSchema } } },
    ...problemResponses('control-unavailable', 'internal'),
  },
});

type StatusDeps = Pick<ApiDeps, 'control' | 'settings' | 'bounds' | 'positions' | 'counters' | 'streams' | 'logger'>;

export function statusRoutes({ control, settings, bounds, positions, counters, streams, logger }: StatusDeps) {
  return createRouter().openapi(status, async (c) => {
    const parts = createParts(logger);
    const { consumerGroup } = settings;
    const [report, known, totals, apart] = await Promise.all([
      control.status(consumerGroup),
      parts.get('positions', 'PostgreSQL', () => positions(consumerGroup)),
      parts.get('failed events', 'PostgreSQL', () => counters.totals(consumerGroup)),
      parts.get('streams', 'PostgreSQL', () => streams.list()),
    ]);
    const listed = partitionsOf(report, known ?? []);
    const ends = listed.length === 0 ? [] : await parts.get('ends of partitions', 'Kafka', () => bounds(listed));
    const partitions = progressOf(listed, { report, known: known ?? [], ends: ends ?? [], now: Date.now() });
    return c.json(
      {
        consumerGroup,
        workflowId: report.workflowId,
        phase: report.phase,
        ingestionId: report.state?.runId ?? null,
        startedAt: report.state?.startedAt ?? null,
        lanes: report.lanes.map(laneOf),
        partitions: known === null && partitions.length === 0 ? null : partitions,
        lag: lagOf(partitions),
        lastError: report.state?.lastError ?? null,
        causes: causesOf(report.lanes, totals, apart),
        problem: report.problem,
        notes: parts.notes,
      },
      200,
    );
  });
}

function laneOf(lane: LaneReport): z.infer<typeof LaneSchema> {
  const { progress, ...rest } = lane;
  return { ...rest, worker: progress?.worker ?? null, trouble: progress?.trouble ?? null };
}
