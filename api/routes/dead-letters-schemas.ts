/** What the routes of failed events take and give. */
import { z } from '@hono/zod-openapi';
import type { DeadLetterSearch } from '../../activities/dead-letter-ports.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { MAX_FAILED_IDS, SETTLED, UNSETTLED } from '../../domain/failed-filter.ts';
import { FAILURE_CLASSES } from '../../domain/failure-class.ts';
import { FAILURES, type FailureCode } from '../../domain/failures.ts';
import type { Principal } from '../principal.ts';
import { searchText, searchTime } from '../schemas.ts';
import { searched } from '../tenancy.ts';

const CODES = Object.keys(FAILURES) as [FailureCode, ...FailureCode[]];
const MAX_INT4 = 2_147_483_647;

const id = z.string().regex(/^[1-9]\d{0,15}$/u, 'expected the number of a failed event');

/** The filter as query parameters; all of them must fit. */
export const SearchSchema = z
  .object({
    status: z.enum([...UNSETTLED, ...SETTLED]).optional(),
    class: z
      .enum(FAILURE_CLASSES)
      .optional()
      .openapi({ description: '`retryable`: is tried again by itself; `permanent`: only a person can help.' }),
    organizationId: searchText(100).optional(),
    eventType: z.enum(EVENT_TYPES).optional(),
    errorCode: z.enum(CODES).optional(),
    fingerprint: z
      .string()
      .regex(/^[0-9a-f]{32}$/u, 'expected 32 hexadecimal digits')
      .optional()
      .openapi({ description: 'Of a group.' }),
    schemaId: z.coerce.number().int().min(-MAX_INT4).max(MAX_INT4).optional(),
    topic: searchText(249).optional(),
    from: searchTime.optional().openapi({ description: 'First failed at this time or later.' }),
    to: searchTime.optional().openapi({ description: 'First failed before this time.' }),
    failedIds: z
      .string()
      .regex(/^[1-9]\d{0,15}(,[1-9]\d{0,15})*$/u, 'expected numbers with commas between them')
      .refine((list) => list.split(',').length <= MAX_FAILED_IDS, `at most ${MAX_FAILED_IDS} of them`)
      .optional()
      .openapi({ description: 'Ids with commas between them.', example: '17,42' }),
  })
  .strict();

/**
 * From checked query parameters to the filter, in UTC: PostgreSQL takes fewer offsets than ISO 8601 has.
 * @throws ProblemError `forbidden` when an organization is named that whoever asks is not bound to
 */
export function searchOf(query: z.infer<typeof SearchSchema>, principal: Principal): DeadLetterSearch {
  const { status, class: failureClass, eventType, errorCode, fingerprint, schemaId, topic } = query;
  const organizationId = searched(principal, query.organizationId);
  return {
    ...{ status, class: failureClass, organizationId, eventType, errorCode, fingerprint, schemaId, topic },
    from: query.from === undefined ? undefined : new Date(query.from).toISOString(),
    to: query.to === undefined ? undefined : new Date(query.to).toISOString(),
    failedIds: query.failedIds?.split(',').map(Number),
  };
}

export const IdSchema = z.object({ id: id.openapi({ description: 'The `id` of a failed event.', example: '17' }) });

export const ErrorSchema = z
  .object({
    code: z.string(),
    class: z.enum(FAILURE_CLASSES),
    detail: z.string().openapi({ description: 'Fields, rules and limits; never a value.' }),
    field: z.string().nullable(),
    sqlstate: z.string().nullable().openapi({ description: 'Of a row that PostgreSQL refused.' }),
  })
  .openapi('EventError');

export const DeadLetterSchema = z
  .object({
    id: z.number().int(),
    status: z.enum([...UNSETTLED, ...SETTLED]).openapi({
      description:
        '`failed`: waits for a retry; `dead`: waits for a person; `resolved`: a later attempt succeeded; `discarded`: a person gave it up.',
    }),
    topic: z.string(),
    partition: z.number().int(),
    offset: z.number().int(),
    error: ErrorSchema,
    eventId: z.string().nullable(),
    eventType: z.string().nullable(),
    organizationId: z.string().nullable(),
    schemaId: z.number().int().nullable(),
    fingerprint: z.string().openapi({ description: 'The same for events that fail for the same reason; see /groups.' }),
    attempts: z.number().int().openapi({ description: 'Retries and redrives since the first failure.' }),
    redrives: z.number().int().openapi({ description: 'Of them, redrives.' }),
    nextAttemptAt: z.string().nullable(),
    settledAs: z.string().nullable().openapi({ description: 'What a later attempt or a person made of it.' }),
    createdAt: z.string().openapi({ description: 'Of the first failure.' }),
    updatedAt: z.string().openapi({ description: 'Of the last attempt.' }),
  })
  .openapi('DeadLetter');

/** The corrected event. Its values are checked by the rules for events, not here, so that they answer alike. */
export const CorrectionSchema = z
  .looseObject({
    eventId: z.unknown().openapi({ type: 'string', example: 'evt-1' }),
    eventType: z.unknown().openapi({ type: 'string', example: 'lead.created' }),
    organizationId: z.unknown().openapi({ type: 'string', example: 'org-1' }),
    timestamp: z.unknown().openapi({
      type: 'string',
      description:
        'ISO 8601 with a zone, or epoch milliseconds as a number; so are all times. Days also as YYYY-MM-DD.',
      example: '2026-01-31T12:00:00Z',
    }),
    data: z.unknown().openapi({
      type: 'object',
      description:
        'The lead, contact or opportunity, by the event type. `amount` is a text such as 1250.00, or a number.',
    }),
    metadata: z
      .unknown()
      .openapi({ type: 'object', description: '`source`, `version`, `correlationId`; may be left out.' }),
  })
  .openapi('Correction');

const event = z.record(z.string(), z.unknown()).nullable();

export const WholeDeadLetterSchema = DeadLetterSchema.extend({
  errors: z
    .array(z.object({ at: z.string(), code: z.string(), detail: z.string() }))
    .openapi({ description: 'How the attempts before the current error ended, oldest first.' }),
  recordTimestamp: z.string().nullable().openapi({ description: "Kafka's time of the message." }),
  keyBytes: z.number().int().nullable(),
  valueBytes: z.number().int().nullable(),
  headers: z.array(z.object({ name: z.string(), bytes: z.number().int().nullable() })),
  event: event.openapi({ description: 'The message as it came, decoded; null where that is not possible.' }),
  undecodable: z
    .object({ code: z.string(), detail: z.string() })
    .nullable()
    .openapi({ description: 'Why it can not be decoded.' }),
  firstBytes: z.string().nullable().openapi({
    description: 'Of a message that can not be decoded, 256 bytes in hexadecimal; with the permission `pii:read` only.',
  }),
  correction: z
    .object({ event, by: z.string().nullable(), at: z.string().nullable() })
    .nullable()
    .openapi({ description: 'What is redriven instead of the message.' }),
  discardReason: z.string().nullable(),
  discardedBy: z.string().nullable(),
  settledAt: z.string().nullable(),
  masked: z
    .boolean()
    .openapi({ description: 'Whether personal data is masked, for want of the permission `pii:read`.' }),
}).openapi('WholeDeadLetter');
