/** What the routes of redrives take and give. */
import { z } from '@hono/zod-openapi';
import type { Redrive, RedriveRequest } from '../../activities/redrive-ports.ts';
import { MAX_FAILED_IDS, UNSETTLED } from '../../domain/failed-filter.ts';
import { CASTS, FIXABLE_FIELDS, fixProblem } from '../../domain/fix-rule.ts';
import { maskField, maskOpen } from '../../domain/masking.ts';
import type { RedriveProgress } from '../../workflows/contracts.ts';
import { DEFAULT_RATE } from '../redrive-desk.ts';
import { SearchSchema } from './dead-letters-schemas.ts';
import { ReasonSchema } from './dead-letters-settle.ts';

const MAX_RATE = 100_000;

const utc = z.iso.datetime({ offset: true }).transform((time) => new Date(time).toISOString());

/** The filter of the list of dead letters, for those that wait for a retry or for a person. */
const FilterSchema = SearchSchema.omit({ class: true })
  .extend({
    status: z.enum(UNSETTLED).optional(),
    schemaId: z.number().int().min(-2_147_483_648).max(2_147_483_647).optional(),
    from: utc.optional(),
    to: utc.optional(),
    failedIds: z.array(z.number().int().positive()).min(1).max(MAX_FAILED_IDS).optional(),
  })
  .strict()
  .openapi('RedriveFilter', { description: 'All of it must fit; an empty filter means every failed event.' });

const field = z.string().openapi({
  description: `As errors name it: ${FIXABLE_FIELDS.join(', ')}.`,
  example: 'data.currency',
});

const FixSchema = z
  .discriminatedUnion('op', [
    z
      .object({
        field,
        op: z.literal('replace'),
        value: z
          .union([z.string().max(10_000), z.number().int()], { error: 'expected a text or a whole number' })
          .openapi({ description: 'Times as ISO 8601, days as YYYY-MM-DD, amounts as text.', example: 'EUR' }),
      })
      .strict(),
    z.object({ field, op: z.literal('remove') }).strict(),
    z
      .object({
        field,
        op: z.literal('cast'),
        to: z.enum(CASTS).openapi({
          description:
            '`truncate`: to what the column takes; `timestamp`: from seconds or microseconds; `number`: an amount rounded to two places.',
        }),
      })
      .strict(),
  ])
  .superRefine((fix, context) => {
    const problem = fixProblem(fix);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  })
  .openapi('FixRule');

const PlanShape = z.object({
  filter: FilterSchema,
  action: z.enum(['redrive', 'discard']).default('redrive'),
  fix: FixSchema.optional().openapi({ description: 'Mends one group of events: the filter needs its fingerprint.' }),
  reason: ReasonSchema.shape.reason
    .optional()
    .openapi({ description: 'Why events are discarded; without personal data.' }),
  force: z.boolean().default(false).openapi({ description: 'Also events that were redriven in vain too often.' }),
});

/** What goes together, whatever else is asked. */
function checkTogether(
  body: z.infer<typeof PlanShape>,
  context: { addIssue(issue: { code: 'custom'; path: string[]; message: string }): void },
): void {
  const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  const discards = body.action === 'discard';
  if (discards && body.reason === undefined) refuse('reason', 'required to discard');
  if (!discards && body.reason !== undefined) refuse('reason', 'only taken to discard');
  if (discards && body.fix !== undefined) refuse('fix', 'only taken to redrive');
  if (body.fix !== undefined && body.filter.fingerprint === undefined) {
    refuse('filter.fingerprint', 'required with a fix, which mends one group');
  }
}

export const PlanSchema = PlanShape.strict().superRefine(checkTogether).openapi('RedrivePlanRequest');

const rate = z.number().int().min(1).max(MAX_RATE);

export const RequestSchema = PlanShape.extend({
  ratePerSecond: rate.default(DEFAULT_RATE).openapi({ description: 'Most events in a second.' }),
  dryRunId: z
    .string()
    .max(200)
    .optional()
    .openapi({ description: 'With a fix: of a plan with the same filter and fix, at most an hour old.' }),
})
  .strict()
  .superRefine(checkTogether)
  .openapi('RedriveRequest');

export const RateSchema = z.object({ ratePerSecond: rate }).strict().openapi('RedriveRate');

export const RedriveIdSchema = z.object({ id: z.uuid().openapi({ description: 'The `redriveId`.' }) });

const WouldBeShape = z.object({
  events: z.number().int(),
  examples: z.array(z.number().int()).openapi({ description: 'Ids of some of them.' }),
});
const WouldBeSchema = WouldBeShape.openapi('WouldBe');

export const PlannedSchema = z
  .object({
    total: z.number().int().openapi({ description: 'Failed events that fit now.' }),
    needsApproval: z.boolean().openapi({ description: 'Whether a second person must agree.' }),
    dryRun: z
      .object({
        examined: z
          .number()
          .int()
          .openapi({ description: 'Events that were tried, the oldest first; 10,000 at most.' }),
        stage: WouldBeSchema.openapi({ description: 'Would be stored.' }),
        filter: WouldBeSchema.openapi({ description: 'Are of types that are not staged.' }),
        skip: WouldBeSchema.openapi({ description: 'Have ids that are stored already.' }),
        leftOut: z.number().int().openapi({ description: 'Were redriven in vain too often, and nothing is new.' }),
        fail: z
          .array(WouldBeShape.extend({ code: z.string(), field: z.string().nullable() }).openapi('WouldFail'))
          .openapi({ description: 'Would fail again.' }),
      })
      .nullable()
      .openapi({ description: 'Null for a discard.' }),
    dryRunId: z.string().nullable().openapi({ description: 'With a fix: what the request shows, within the hour.' }),
  })
  .openapi('RedrivePlan');

const STATUSES = ['awaiting_approval', 'running', 'paused', 'finished', 'cancelled', 'rejected', 'failed'] as const;

const CountsSchema = z.object({
  processed: z.number().int(),
  skipped: z.number().int(),
  filtered: z.number().int(),
  failed: z.number().int().openapi({ description: 'Wait for a retry again.' }),
  dead: z.number().int().openapi({ description: 'Dead letters still.' }),
  discarded: z.number().int(),
  leftOut: z.number().int().openapi({
    description: 'Were not tried: settled or claimed by somebody else, or redriven too often in vain. Told at the end.',
  }),
});

export const RedriveSchema = z
  .object({
    redriveId: z.uuid(),
    action: z.enum(['redrive', 'discard']),
    status: z.enum(STATUSES),
    filter: FilterSchema,
    fix: z.record(z.string(), z.unknown()).nullable(),
    reason: z.string().nullable(),
    force: z.boolean(),
    total: z.number().int().openapi({ description: 'Events that fitted when it was requested.' }),
    counts: CountsSchema,
    requestedBy: z.string(),
    requestedAt: z.iso.datetime(),
    decidedBy: z.string().nullable(),
    decidedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .openapi('Redrive');

export const RedriveNowSchema = RedriveSchema.extend({
  phase: z
    .enum(['running', 'pausing', 'paused', 'cancelling', 'cancelled', 'finished'])
    .nullable()
    .openapi({ description: 'What the workflow is at; null when none answers.' }),
  ratePerSecond: z.number().int().nullable().openapi({ description: 'Most events in a second.' }),
  eventsPerSecond: z.number().nullable().openapi({ description: 'While it was at work.' }),
  estimatedEnd: z.iso.datetime().nullable().openapi({ description: 'While it is at work.' }),
}).openapi('RedriveNow');

/** From a checked body to the request. */
export function requestOf({ filter, action, fix, reason, force }: z.infer<typeof PlanShape>): RedriveRequest {
  return { action, filter, fix: fix ?? null, reason: reason ?? null, force };
}

/** @param open whether personal data is shown: a rule may put some in, and an organization's id may be an address */
export function redriveView(redrive: Redrive, open: boolean): z.infer<typeof RedriveSchema> {
  const { lastFailedId: _, ratePerSecond: __, fix, filter, ...shown } = redrive;
  return {
    ...shown,
    filter: (open ? filter : maskFilter(filter)) as z.infer<typeof FilterSchema>,
    fix: fix === null ? null : open ? { ...fix } : maskFix(fix),
  };
}

function maskFilter({ organizationId, ...filter }: Redrive['filter']): Redrive['filter'] {
  return { ...filter, ...(organizationId !== undefined && { organizationId: maskOpen(organizationId) }) };
}

function maskFix(fix: NonNullable<Redrive['fix']>): NonNullable<Redrive['fix']> {
  return fix.op === 'replace' ? { ...fix, value: maskField(fix.field, fix.value) } : { ...fix };
}

/** @param now epoch milliseconds */
export function redriveNowView(
  redrive: Redrive,
  open: boolean,
  progress: RedriveProgress | null,
  now: number,
): z.infer<typeof RedriveNowSchema> {
  const { counts, total } = redrive;
  const done = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const perSecond = progress === null || progress.workedMs === 0 ? null : (done * 1_000) / progress.workedMs;
  const left = Math.max(0, total - done);
  const atWork = redrive.status === 'running' && perSecond !== null && perSecond > 0;
  return {
    ...redriveView(redrive, open),
    phase: progress?.phase ?? null,
    ratePerSecond: progress?.ratePerSecond ?? null,
    eventsPerSecond: perSecond === null ? null : Math.round(perSecond * 10) / 10,
    estimatedEnd: atWork ? new Date(now + (left * 1_000) / perSecond).toISOString() : null,
  };
}
