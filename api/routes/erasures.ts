/** Erasing persons and organizations. Whoever asks, and whoever looks, is in the log by name. */
import { randomUUID } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ErasureSubject } from '../../domain/erasure.ts';
import { type ApiEnv, createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import type { Principal } from '../principal.ts';
import { answer, jsonBody } from '../schemas.ts';
import { limited, mustBeUnbound, mustOwn } from '../tenancy.ts';
import { ErasureSchema, RequestSchema, SummarySchema, subjectOf } from './erasures-schemas.ts';

/** How many of the latest erasures the list has. */
const LISTED = 100;

const tags = ['Erasures'];

const requested = createRoute({
  method: 'post',
  path: '/erasures',
  ...permits('erasure:create', 'organization'),
  tags,
  summary: 'Erase a person or an organization',
  description:
    'Has a workflow find and delete or pseudonymize everything about them, and keeps them from being stored again. See docs/ERASURE.md.',
  request: { body: jsonBody(RequestSchema) },
  responses: {
    202: answer('It has begun; /erasures/{id} has the proof once it is there.', z.object({ erasureId: z.uuid() })),
    ...problemResponses(
      'invalid-request',
      'forbidden',
      'refused',
      'too-large',
      'unsupported-media-type',
      'server-unavailable',
      'control-unavailable',
      'internal',
    ),
  },
});

const listed = createRoute({
  method: 'get',
  path: '/erasures',
  ...permits('erasure:create', 'organization'),
  tags,
  summary: 'The latest erasures',
  description: 'Who asked for what kind of erasure, and how far it is. Whom it is about is not told.',
  responses: {
    200: answer(`The last ${LISTED}, latest first.`, z.object({ erasures: z.array(SummarySchema) })),
    ...problemResponses('server-unavailable', 'internal'),
  },
});

const one = createRoute({
  method: 'get',
  path: '/erasures/{id}',
  ...permits('erasure:create', 'organization'),
  tags,
  summary: 'An erasure with its proof',
  description: 'What was done in each table, and that a second search over everything found nothing.',
  request: { params: z.object({ id: z.uuid() }) },
  responses: {
    200: answer('The erasure.', ErasureSchema),
    ...problemResponses('invalid-request', 'unknown-erasure', 'server-unavailable', 'internal'),
  },
});

/** The subject within the organization of whoever asks. @throws ProblemError for one that is anybody else's too */
function theirs(subject: ErasureSubject, principal: Principal): ErasureSubject {
  switch (subject.kind) {
    case 'email':
      mustBeUnbound(principal, 'Name the leads and contacts that have the address.');
      return subject;
    case 'organization':
      mustOwn(principal, subject.organizationId);
      return subject;
    case 'records': {
      const organizationId = limited(principal, subject.organizationId ?? undefined, 'subject.organizationId');
      return { ...subject, organizationId: organizationId ?? null };
    }
  }
}

type ErasureDeps = Pick<ApiDeps, 'erasures' | 'erasureControl' | 'canErase' | 'logger'>;

export function erasureRoutes({ erasures, erasureControl, canErase, logger }: ErasureDeps) {
  const nameOf = (c: Context<ApiEnv>) => c.get('principal').name;

  /** @throws ProblemError where nobody can be erased, or this organization must not */
  async function check(subject: ErasureSubject): Promise<void> {
    if (!canErase) {
      throw new ProblemError('refused', 'Nobody can be erased without a key: set ERASURE_KEY_FILE or ERASURE_KEY.');
    }
    if (subject.kind === 'email' || subject.organizationId === null) return;
    if (await erasures.isHeld(subject.organizationId)) {
      throw new ProblemError('refused', 'A legal hold keeps the rows of the organization: lift it first.');
    }
  }

  return createRouter()
    .openapi(requested, async (c) => {
      const { subject: named, action, reason } = c.req.valid('json');
      const subject = theirs(subjectOf(named), c.get('principal'));
      await check(subject);
      const erasureId = randomUUID();
      await erasures.create({ erasureId, subject, action, reason, requestedBy: nameOf(c) });
      logger.info('erasure requested', { erasureId, action, subject: subject.kind, by: nameOf(c) });
      try {
        await erasureControl.start({ erasureId });
      } catch (error) {
        await erasures.fail(erasureId, 'it could not be started: ask for it again');
        throw error;
      }
      return c.json({ erasureId }, 202);
    })
    .openapi(listed, async (c) => {
      logger.info('erasures listed', { by: nameOf(c) });
      return c.json({ erasures: await erasures.list(LISTED) }, 200);
    })
    .openapi(one, async (c) => {
      const { id } = c.req.valid('param');
      logger.info('erasure looked at', { erasureId: id, by: nameOf(c) });
      const erasure = await erasures.find(id);
      if (erasure === null) {
        throw new ProblemError('unknown-erasure', `No erasure has the id ${id}; see /erasures for those there are.`);
      }
      return c.json(erasure, 200);
    });
}
