/** Partitions of the tables: which there are, making some, archiving one by hand. */
import { createRoute, z } from '@hono/zod-openapi';
import { PARTITIONED } from '../../activities/maintenance-ports.ts';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { answer, jsonBody } from '../schemas.ts';

export const TableSchema = z.enum(PARTITIONED).openapi({ example: 'crm_leads_staging' });

/** About three years. */
const MOST_DAYS = 1_100;
const DAY_MS = 86_400_000;

const PartitionSchema = z
  .object({
    table: z.string(),
    partition: z
      .string()
      .openapi({ description: 'Its name in schema `analytics`, or in `analytics_archive` when it is archived.' }),
    state: z.enum(['attached', 'default', 'archived']).openapi({
      description:
        '`default` takes rows that no other partition takes, and should be empty. `archived` ones are kept apart.',
    }),
    from: z.iso.datetime().nullable().openapi({ description: 'By event time; null without a bound.' }),
    to: z.iso.datetime().nullable().openapi({ description: 'Exclusive.' }),
    rowsEstimate: z
      .number()
      .int()
      .nullable()
      .openapi({ description: 'As of the last ANALYZE; null before the first.' }),
    bytes: z.number().int().openapi({ description: 'With indexes.' }),
  })
  .openapi('TablePartition');

const CreateSchema = z
  .object({
    table: TableSchema,
    from: z.iso.date().openapi({ description: 'UTC.', example: '2026-12-01' }),
    to: z.iso.date().optional().openapi({ description: 'The last day. Without it: `from` alone.' }),
  })
  .strict()
  .refine(({ from, to = from }) => from >= '2000-01-01' && to < '2200-01-01', {
    path: ['from'],
    error: 'must be from 2000 to 2199',
  })
  .refine(({ from, to = from }) => from <= to && daysOf(from, to) <= MOST_DAYS, {
    path: ['to'],
    error: `must be from the day of \`from\` to ${MOST_DAYS} days later`,
  })
  .openapi('CreatePartitions');

const DetachSchema = z
  .object({ table: TableSchema, partition: z.string().min(1).max(63) })
  .strict()
  .openapi('DetachPartition');

const tags = ['Partitions'];

const list = createRoute({
  method: 'get',
  path: '/partitions',
  ...permits('ingestion:read', 'installation'),
  tags,
  summary: 'All partitions of the tables',
  description: 'Those that are attached, the DEFAULT partitions, and those in the archive.',
  responses: {
    200: answer('By table, state and time.', z.object({ partitions: z.array(PartitionSchema) })),
    ...problemResponses('server-unavailable', 'internal'),
  },
});

const create = createRoute({
  method: 'post',
  path: '/partitions',
  ...permits('partition:manage', 'installation'),
  tags,
  summary: 'Make the partitions of some days',
  description:
    'Of the configured interval: a month that one of the days is in is made whole, less what its neighbours have of it. Days that have a partition are left alone. Needed for nothing but bulk loads: lanes make what they need.',
  request: { body: jsonBody(CreateSchema) },
  responses: {
    200: answer('How many there were to make.', z.object({ made: z.number().int() })),
    ...problemResponses('invalid-request', 'unsupported-media-type', 'too-large', 'server-unavailable', 'internal'),
  },
});

const detach = createRoute({
  method: 'post',
  path: '/partitions/detach',
  ...permits('partition:manage', 'installation'),
  tags,
  summary: 'Archive one partition',
  description:
    'It leaves its table and stays in schema `analytics_archive`, where nothing deletes it but an erasure. Late events for its time then get a new one, or what the table’s rule says.',
  request: { body: jsonBody(DetachSchema) },
  responses: {
    200: answer('Its name in `analytics_archive`.', z.object({ archivedAs: z.string() })),
    ...problemResponses(
      'invalid-request',
      'unknown-table-partition',
      'refused',
      'unsupported-media-type',
      'too-large',
      'server-unavailable',
      'internal',
    ),
  },
});

export function partitionRoutes({ partitions }: Pick<ApiDeps, 'partitions'>) {
  return createRouter()
    .openapi(list, async (c) => c.json({ partitions: await partitions.list() }, 200))
    .openapi(create, async (c) => {
      const { table, from, to = from } = c.req.valid('json');
      return c.json({ made: await partitions.create(table, { from: Date.parse(from), to: Date.parse(to) }) }, 200);
    })
    .openapi(detach, async (c) => {
      const { table, partition } = c.req.valid('json');
      const detached = await partitions.detach(table, partition);
      if (detached === 'unknown') {
        throw new ProblemError(
          'unknown-table-partition',
          `${table} has no partition of this name with both bounds; GET /partitions lists those there are.`,
        );
      }
      if (detached === 'locked') {
        throw new ProblemError(
          'refused',
          `Somebody keeps ${table} locked, and others must not wait for it. Try again.`,
        );
      }
      return c.json(detached, 200);
    });
}

function daysOf(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
}
