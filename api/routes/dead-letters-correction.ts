/** Mending a failed event: a corrected one is kept beside the message. */
import { createRoute, z } from '@hono/zod-openapi';
import type { WholeDeadLetter } from '../../activities/dead-letter-ports.ts';
import type { EventDecoder } from '../../activities/ports.ts';
import { checkCorrection, type Original } from '../../domain/correction-check.ts';
import { maskedField, unmaskEvent } from '../../domain/masking.ts';
import { identify, type ValidationContext } from '../../domain/validate.ts';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { jsonBody } from '../schemas.ts';
import { mustBeUnbound } from '../tenancy.ts';
import { existing, mustBeDone } from './dead-letters-refusals.ts';
import { CorrectionSchema, IdSchema, WholeDeadLetterSchema } from './dead-letters-schemas.ts';
import { decoded, maySeePersonalData, showWhole } from './dead-letters-view.ts';

const VersionSchema = z.object({
  'if-match': z
    .string()
    .regex(/^("[0-9a-f]{32}"|\*)$/u, 'expected the etag of the event')
    .optional()
    .openapi({ description: 'The `etag` as it was read: a change that somebody made meanwhile is then not lost.' }),
});

/**
 * Ids are one space for all organizations: one that a person makes up could be another organization's, and keep its event
 * out.
 */
const GIVES_ID =
  'The message has no event id that can be read, and the one that it is given must be free in all of them.';

const tags = ['Dead letters'];
const shown = {
  description: 'The event as it is now.',
  content: { 'application/json': { schema: WholeDeadLetterSchema } },
};

const put = createRoute({
  method: 'put',
  path: '/dead-letters/{id}/correction',
  ...permits('deadletter:redrive', 'organization'),
  tags,
  summary: 'Correct a failed event',
  description:
    'Keeps a corrected event beside the message, which stays as it came; a redrive then takes the correction. It must pass the rules for events from Kafka. Its event id and organization must be those of the message, unless that has none that can be read.',
  request: {
    params: IdSchema,
    headers: VersionSchema,
    body: jsonBody(CorrectionSchema),
  },
  responses: {
    200: shown,
    ...problemResponses(
      'invalid-request',
      'forbidden',
      'no-such-event',
      'conflict',
      'changed-meanwhile',
      'too-large',
      'unsupported-media-type',
      'invalid-correction',
      'internal',
      'server-unavailable',
    ),
  },
});

const takeAway = createRoute({
  method: 'delete',
  path: '/dead-letters/{id}/correction',
  ...permits('deadletter:redrive', 'organization'),
  tags,
  summary: 'Take a correction away',
  description: 'A redrive then takes the message as it came.',
  request: { params: IdSchema, headers: VersionSchema },
  responses: {
    200: shown,
    ...problemResponses(
      'invalid-request',
      'no-such-event',
      'conflict',
      'changed-meanwhile',
      'too-large',
      'internal',
      'server-unavailable',
    ),
  },
});

type CorrectionDeps = Pick<ApiDeps, 'deadLetters' | 'decoder' | 'validationOf'>;

export function deadLetterCorrectionRoutes({ deadLetters, decoder, validationOf }: CorrectionDeps) {
  return createRouter()
    .openapi(put, async (c) => {
      const { id } = c.req.valid('param');
      const principal = c.get('principal');
      const letter = await existing(deadLetters, id, principal);
      // Neither what it is about nor what a mask stands for could be told.
      if (letter.unreadable !== null) throw new ProblemError('conflict', `${letter.unreadable.detail}.`);
      const context = await validationOf(letter.topic);
      const original = await originalOf(letter, decoder, context);
      if (original.eventId === null) mustBeUnbound(principal, GIVES_ID);
      const sent = maySeePersonalData(principal)
        ? c.req.valid('json')
        : await withoutMasks(c.req.valid('json'), letter, decoder);
      const checked = checkCorrection(sent, original, context);
      if (!checked.ok) {
        const { code, detail, field } = checked.rejection;
        const errors = [{ path: field ?? '', message: detail }];
        throw new ProblemError('invalid-correction', `${code}: ${detail}.`, errors);
      }
      const correction = { event: checked.event, by: principal.name };
      const change = await deadLetters.correct(letter.failedId, correction, versionOf(c.req.valid('header')));
      mustBeDone(change, id);
      return c.json(await showWhole(c, await existing(deadLetters, id, principal), decoder), 200);
    })
    .openapi(takeAway, async (c) => {
      const { id } = c.req.valid('param');
      const principal = c.get('principal');
      const { failedId } = await existing(deadLetters, id, principal);
      mustBeDone(await deadLetters.correct(failedId, null, versionOf(c.req.valid('header'))), id);
      return c.json(await showWhole(c, await existing(deadLetters, id, principal), decoder), 200);
    });
}

/**
 * What somebody sends who was shown masks: those that are left stand for what the message, or the correction so far, has.
 * @throws ProblemError for a mask that stands for nothing: it must not become somebody's name
 */
async function withoutMasks(sent: unknown, letter: WholeDeadLetter, decoder: EventDecoder): Promise<unknown> {
  const shown = letter.correction ?? (await decoded(letter, decoder)).event;
  const event = unmaskEvent(sent, shown);
  const field = maskedField(event);
  if (field !== null) {
    const message = `${field}: holds a mask, and not as it was shown`;
    throw new ProblemError('invalid-correction', `${message}. Send the value itself, or the mask as it was shown.`, [
      { path: field, message },
    ]);
  }
  return event;
}

/** The ids that it failed with, or those of a message that could not be decoded then and can be now. */
async function originalOf(
  letter: WholeDeadLetter,
  decoder: EventDecoder,
  context: ValidationContext,
): Promise<Original> {
  const { eventId, organizationId, recordTimestamp, value } = letter;
  if (value === null || (eventId !== null && organizationId !== null))
    return { eventId, organizationId, recordTimestamp };
  const now = await decoder.decode(value, letter.topic);
  const known = now.ok ? identify(now.event, recordTimestamp, context) : {};
  return {
    eventId: eventId ?? known.eventId ?? null,
    organizationId: organizationId ?? known.organizationId ?? null,
    recordTimestamp,
  };
}

function versionOf(headers: z.infer<typeof VersionSchema>): string | null {
  const tag = headers['if-match'];
  return tag === undefined || tag === '*' ? null : tag.slice(1, -1);
}
