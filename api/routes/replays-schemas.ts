/** What the routes of replays and backfills take and give. */
import { z } from '@hono/zod-openapi';
import type { Replay, ReplayRequest, ReplaySelection, ReplayStanding } from '../../activities/replay-ports.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { maskOpen } from '../../domain/masking.ts';
import { MAX_REPLAY_LANES, MAX_REPLAY_RATE, type ReplayProgress } from '../../workflows/replay-contracts.ts';
import { DEFAULT_RATE } from '../redrive-desk.ts';
import { CountsSchema, ReportSchema } from './replays-report-schemas.ts';

const DEFAULT_LANES = 4;
const MAX_RANGES = 100;
const MAX_TOPICS = 20;
const MAX_FIELDS = 100;

const utc = z.iso.datetime({ offset: true }).transform((time) => new Date(time).toISOString());
const topic = z.string().min(1).max(249);
const offset = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const lanes = z.number().int().min(1).max(MAX_REPLAY_LANES);
const rate = z.number().int().min(1).max(MAX_REPLAY_RATE).nullable();

const FilterSchema = z
  .object({
    organizationId: z.string().min(1).max(100).optional(),
    eventTypes: z.array(z.enum(EVENT_TYPES)).min(1).optional(),
    entityId: z.string().min(1).max(255).optional().openapi({ description: 'Of a lead, contact or opportunity.' }),
  })
  .strict()
  .openapi('ReplayFilter', { description: 'All of it must fit; events that do not are read over.' });

const topicsAndTimes = {
  topics: z
    .array(topic)
    .min(1)
    .max(MAX_TOPICS)
    .optional()
    .openapi({ description: 'All that are ingested when left out.' }),
  from: utc.optional().openapi({ description: 'By the timestamps of the records in Kafka.' }),
  to: utc.optional().openapi({ description: 'Exclusive. The end as it is now when left out.' }),
};

const speed = {
  lanes: lanes.default(DEFAULT_LANES).openapi({ description: 'How many ranges are read side by side.' }),
  ratePerSecond: rate
    .default(DEFAULT_RATE)
    .openapi({ description: 'Most events in a second over all lanes; null for as fast as it goes.' }),
};

const ReplayShape = z
  .object({
    ranges: z
      .array(
        z
          .object({
            topic,
            partition: z.number().int().min(0).optional(),
            from: offset.optional(),
            to: offset.optional(),
          })
          .strict(),
      )
      .min(1)
      .max(MAX_RANGES)
      .optional()
      .openapi({ description: 'Ranges of offsets; `to` is exclusive. Without a partition, all of the topic.' }),
    ...topicsAndTimes,
    runId: z.uuid().optional().openapi({ description: 'Whatever an earlier run read: an ingestion_id.' }),
    mode: z.enum(['missing', 'restore', 'overwrite', 'dry-run']).default('missing').openapi({
      description:
        '`missing` stages events whose ids are not known; `restore` brings back rows that are gone of ids that are known; `overwrite` writes rows again that would differ now, from the delivery that won; `dry-run` writes nothing and reports what would change.',
    }),
    filter: FilterSchema.optional(),
    ...speed,
  })
  .strict();

type ReplayBody = z.infer<typeof ReplayShape>;

/** A range of offsets, a range of time, or a run: one way of saying what is meant. */
export const ReplayBodySchema = ReplayShape.superRefine(({ ranges, runId, topics, from, to }, context) => {
  const byTime = topics !== undefined || from !== undefined || to !== undefined;
  const ways = [ranges !== undefined, runId !== undefined, byTime].filter(Boolean).length;
  if (ways !== 1) {
    context.addIssue({
      code: 'custom',
      path: ['ranges'],
      message: 'say what is to be read in one way: ranges, runId, or topics with times',
    });
  }
}).openapi('ReplayRequest');

const CsvSchema = z
  .object({
    mapping: z
      .record(
        z.string().min(1),
        z.string().regex(/^(?:eventId|eventType|organizationId|timestamp|(?:data|metadata)\.\w+)$/u),
      )
      .refine((mapping) => Object.keys(mapping).length <= MAX_FIELDS, { error: `at most ${MAX_FIELDS} columns` })
      .openapi({ description: 'Which column fills which field, by its header.', example: { mail: 'data.email' } }),
    delimiter: z.string().length(1).default(','),
    constants: z.record(z.string(), z.string()).default({}).openapi({ description: 'Fields that no column fills.' }),
  })
  .strict();

const FilesShape = z
  .object({
    source: z.literal('files'),
    folder: z
      .string()
      .min(1)
      .max(1_024)
      .regex(/^[^\0]+$/u)
      .optional()
      .openapi({ description: 'Below BACKFILL_DIR.' }),
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/u, { error: 'must be the name of a bucket' })
      .optional(),
    prefix: z.string().default(''),
    format: z.enum(['ndjson', 'csv', 'avro']),
    csv: CsvSchema.optional(),
    filter: FilterSchema.optional(),
    ...speed,
  })
  .strict()
  .superRefine(({ folder, bucket, format, csv }, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if ((folder === undefined) === (bucket === undefined)) refuse('folder', 'either a folder or a bucket');
    if ((format === 'csv') !== (csv !== undefined)) refuse('csv', 'required with the format csv, and with no other');
  });

const TopicsShape = z
  .object({
    source: z.literal('kafka'),
    ...topicsAndTimes,
    order: z.enum(['oldest-first', 'newest-first']).default('oldest-first'),
    windowHours: z
      .number()
      .int()
      .min(1)
      .max(8_784)
      .default(24)
      .openapi({ description: 'Window after window is read.' }),
    filter: FilterSchema.optional(),
    ...speed,
  })
  .strict();

export const BackfillBodySchema = z.discriminatedUnion('source', [TopicsShape, FilesShape]).openapi('BackfillRequest');

export const SpeedSchema = z
  .object({ lanes: lanes.optional(), ratePerSecond: rate.optional() })
  .strict()
  .openapi('ReplaySpeed');

export const ReplayIdSchema = z.object({ id: z.uuid().openapi({ description: 'The `replayId`.' }) });

const count = z.number().int();

export const PreviewSchema = z
  .object({
    ranges: z.array(
      z.object({
        topic: z.string(),
        partition: count,
        from: count,
        to: count.openapi({ description: 'After the last offset.' }),
        offsets: count.openapi({ description: 'Fewer than between the two where there are gaps.' }),
        lost: count,
      }),
    ),
    files: z.array(z.object({ uri: z.string(), bytes: count })),
    offsets: count
      .nullable()
      .openapi({ description: 'At most so many events. Null for files: their lines are counted when they are read.' }),
    lost: count.openapi({ description: 'Offsets that were asked for and are deleted in Kafka.' }),
    estimatedSeconds: count
      .nullable()
      .openapi({ description: 'Null when neither a rate nor an earlier replay tells.' }),
  })
  .openapi('ReplayPlan');

export const ReplaySchema = z
  .object({
    replayId: z.uuid(),
    kind: z.enum(['replay', 'backfill']),
    source: z.enum(['kafka', 'files']),
    mode: z.enum(['ingest', 'missing', 'restore', 'overwrite', 'dry-run']),
    status: z.enum(['planning', 'running', 'paused', 'finished', 'cancelled', 'failed']),
    reason: z.string().nullable().openapi({ description: 'Why it failed.' }),
    selection: z.record(z.string(), z.unknown()),
    filter: z.record(z.string(), z.unknown()).nullable(),
    lanes: count,
    ratePerSecond: count.nullable(),
    total: count.openapi({ description: 'Offsets in its ranges, once it is planned.' }),
    lost: count,
    requestedBy: z.string(),
    requestedAt: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .openapi('Replay');

export const ReplayNowSchema = ReplaySchema.extend({
  phase: z.string().nullable().openapi({ description: 'What the workflow is at; null when none answers.' }),
  done: count,
  counts: CountsSchema,
  offsetsPerSecond: z.number().nullable().openapi({ description: 'While it was at work.' }),
  estimatedEnd: z.iso.datetime().nullable().openapi({ description: 'While it is at work.' }),
  report: ReportSchema.nullable().openapi({ description: 'Once it has ended.' }),
}).openapi('ReplayNow');

/** From a checked body to the request. @param all the topics that are meant when none is named */
export function replayOf(body: ReplayBody, all: readonly string[]): ReplayRequest {
  const { mode, filter, lanes: wanted, ratePerSecond } = body;
  return {
    kind: 'replay',
    source: 'kafka',
    mode,
    selection: replaySelection(body, all),
    filter: filter ?? null,
    lanes: wanted,
    ratePerSecond,
  };
}

function replaySelection({ ranges, runId, topics, from, to }: ReplayBody, all: readonly string[]): ReplaySelection {
  if (ranges !== undefined) return { by: 'offsets', ranges };
  if (runId !== undefined) return { by: 'run', runId };
  return { by: 'time', topics: topics ?? all, from, to };
}

/** The same for a backfill. */
export function backfillOf(body: z.infer<typeof BackfillBodySchema>, all: readonly string[]): ReplayRequest {
  const { source, filter, lanes: wanted, ratePerSecond } = body;
  const common = {
    kind: 'backfill',
    source,
    mode: 'ingest',
    filter: filter ?? null,
    lanes: wanted,
    ratePerSecond,
  } as const;
  if (body.source === 'kafka') {
    const { topics, order, windowHours, from, to } = body;
    return { ...common, selection: { by: 'windows', topics: topics ?? all, order, windowHours, from, to } };
  }
  const { folder, bucket, prefix, format, csv } = body;
  const location = bucket === undefined ? { folder: folder ?? '' } : { bucket, prefix };
  // The targets of the mapping were checked one by one.
  const reading = {
    format,
    csv: (csv as Extract<ReplaySelection, { by: 'files' }>['reading']['csv'] | undefined) ?? null,
  };
  return { ...common, selection: { by: 'files', location, reading } };
}

/** @param open whether personal data is shown: an organization's or a lead's id may be an address */
export function replayView(
  { report: _, filter, selection, ...shown }: Replay,
  open: boolean,
): z.infer<typeof ReplaySchema> {
  return {
    ...shown,
    selection: open ? { ...selection } : maskSelection(selection),
    filter: filter === null ? null : maskFilter(filter, open),
  };
}

/** Constants of a mapping are values of events. */
function maskSelection(selection: ReplaySelection): Record<string, unknown> {
  if (selection.by !== 'files' || !selection.reading.csv?.constants) return { ...selection };
  const { csv } = selection.reading;
  const constants = Object.fromEntries(Object.entries(csv.constants).map(([field, value]) => [field, maskOpen(value)]));
  return { ...selection, reading: { ...selection.reading, csv: { ...csv, constants } } };
}

function maskFilter(filter: NonNullable<Replay['filter']>, open: boolean): Record<string, unknown> {
  if (open) return { ...filter };
  const { organizationId, entityId } = filter;
  return {
    ...filter,
    ...(organizationId !== undefined && { organizationId: maskOpen(organizationId) }),
    ...(entityId !== undefined && { entityId: maskOpen(entityId) }),
  };
}

/** A report without when the first and last record of a range came: they may be another organization's. */
export function withoutTimes(report: Replay['report']): Replay['report'] {
  if (report === null) return null;
  const partitions = report.partitions.map((range) => ({ ...range, firstTimestamp: null, lastTimestamp: null }));
  return { ...report, partitions };
}

/** @param now epoch milliseconds */
export function replayNowView(
  replay: Replay,
  open: boolean,
  { done, total, counts }: ReplayStanding,
  progress: ReplayProgress | null,
  now: number,
): z.infer<typeof ReplayNowSchema> {
  const perSecond = progress === null || progress.workedMs === 0 ? null : (done * 1_000) / progress.workedMs;
  const atWork = replay.status === 'running' && perSecond !== null && perSecond > 0;
  return {
    ...replayView(replay, open),
    phase: progress?.phase ?? null,
    done,
    counts,
    offsetsPerSecond: perSecond === null ? null : Math.round(perSecond * 10) / 10,
    estimatedEnd: atWork ? new Date(now + ((total - done) * 1_000) / perSecond).toISOString() : null,
    report: replay.report,
  };
}
