/** What ends a failed event's waiting: it is tried again now, or given up. */
import { createRoute, z } from '@hono/zod-openapi';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { jsonBody } from '../schemas.ts';
import { existing, mustBeDone, refusalOf } from './dead-letters-refusals.ts';
import { IdSchema, WholeDeadLetterSchema } from './dead-letters-schemas.ts';
import { showWhole } from './dead-letters-view.ts';

/** Shown in lists and in the log of events, to people who may not see personal data. */
export const ReasonSchema = z
  .object({
    reason: z
      .string()
      .trim()
      .min(3)
      .max(500)
      .refine((reason) => !reason.includes('\0'), 'holds a NUL character')
      .refine((reason) => !/[^\s@]@[^\s@]/u.test(reason), 'must not hold an e-mail address')
      .openapi({ description: 'Why; without personal data.', example: 'Sent by the test system' }),
  })
  .strict()
  .openapi('DiscardReason');

const RedrivenSchema = z
  .object({
    id: z.number().int(),
    status: z
      .enum(['processed', 'skipped', 'filtered', 'failed', 'dead'])
      .nullable()
      .openapi({ description: 'What became of it; null while it is being tried.' }),
    reason: z.enum(['duplicate', 'conflict', 'reread']).nullable().openapi({ description: 'Why it was skipped.' }),
  })
  .openapi('Redriven');

const tags = ['Dead letters'];

function answer<S extends z.ZodType>(description: string, schema: S) {
  return { description, content: { 'application/json': { schema } } };
}

const redrive = createRoute({
  method: 'post',
  path: '/dead-letters/{id}/redrive',
  ...permits('deadletter:redrive', 'organization'),
  tags,
  summary: 'Try a failed event again now',
  description:
    'Its correction where there is one, else the message. It ends as any event: stored once, or failed again.',
  request: { params: IdSchema },
  responses: {
    200: answer('What became of it.', RedrivenSchema),
    202: answer('It is being tried; look at the event again.', RedrivenSchema),
    ...problemResponses(
      'invalid-request',
      'no-such-event',
      'conflict',
      'refused',
      'too-large',
      'internal',
      'server-unavailable',
      'control-unavailable',
    ),
  },
});

const discard = createRoute({
  method: 'post',
  path: '/dead-letters/{id}/discard',
  ...permits('deadletter:discard', 'organization'),
  tags,
  summary: 'Give a failed event up',
  description: 'For good: it is not tried again. The message, the reason and its place in the books are kept.',
  request: { params: IdSchema, body: jsonBody(ReasonSchema) },
  responses: {
    200: answer('The event as it is now.', WholeDeadLetterSchema),
    ...problemResponses(
      'invalid-request',
      'no-such-event',
      'conflict',
      'too-large',
      'unsupported-media-type',
      'internal',
      'server-unavailable',
    ),
  },
});

type SettleDeps = Pick<ApiDeps, 'deadLetters' | 'decoder' | 'redriveOne'>;

export function deadLetterSettleRoutes({ deadLetters, decoder, redriveOne }: SettleDeps) {
  return createRouter()
    .openapi(redrive, async (c) => {
      const { id } = c.req.valid('param');
      const principal = c.get('principal');
      const { failedId, status, organizationId } = await existing(deadLetters, id, principal);
      if (status !== 'failed' && status !== 'dead') throw refusalOf('settled', id);
      // Whoever is bound finds the redrive among those of the organization.
      const limit = principal.organizations === null ? null : organizationId;
      const outcome = await redriveOne(failedId, principal.name, limit);
      if (outcome === 'taken') {
        throw new ProblemError('conflict', `Somebody else tries event ${id} or has settled it: look at it again.`);
      }
      if (outcome === 'accepted') return c.json({ id: failedId, status: null, reason: null }, 202);
      return c.json({ id: failedId, ...outcome }, 200);
    })
    .openapi(discard, async (c) => {
      const { id } = c.req.valid('param');
      const { reason } = c.req.valid('json');
      const principal = c.get('principal');
      const { failedId } = await existing(deadLetters, id, principal);
      mustBeDone(await deadLetters.discard(failedId, reason, principal.name), id);
      return c.json(await showWhole(c, await existing(deadLetters, id, principal), decoder), 200);
    });
}
