/** Organizations whose rows no retention and no erasure may delete. */
import { createRoute, z } from '@hono/zod-openapi';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { answer, jsonBody } from '../schemas.ts';
import { mustOwn, owns } from '../tenancy.ts';
import { ReasonSchema } from './dead-letters-settle.ts';
import { OrganizationIdSchema } from './retention.ts';

const HoldSchema = z
  .object({ organizationId: z.string(), reason: z.string(), placedBy: z.string(), placedAt: z.iso.datetime() })
  .openapi('LegalHold');

const tags = ['Partitions'];
const params = z.object({ organizationId: OrganizationIdSchema });

const list = createRoute({
  method: 'get',
  path: '/legal-holds',
  ...permits('erasure:create', 'organization'),
  tags,
  summary: 'All legal holds',
  description:
    'Organizations whose rows no retention and no erasure may delete. An identity that is bound sees those of its own.',
  responses: {
    200: answer('By organization.', z.object({ holds: z.array(HoldSchema) })),
    ...problemResponses('server-unavailable', 'internal'),
  },
});

const one = createRoute({
  method: 'get',
  path: '/legal-holds/{organizationId}',
  ...permits('erasure:create', 'organization'),
  tags,
  summary: 'The legal hold of an organization',
  description: 'Why it is held, since when, and who decided so.',
  request: { params },
  responses: {
    200: answer('It is held.', HoldSchema),
    ...problemResponses('invalid-request', 'forbidden', 'unknown-hold', 'server-unavailable', 'internal'),
  },
});

const place = createRoute({
  method: 'put',
  path: '/legal-holds/{organizationId}',
  ...permits('erasure:create', 'organization'),
  tags,
  summary: 'Keep all rows of an organization',
  description: 'From now on, whatever retention says. What is gone is gone.',
  request: { params, body: jsonBody(ReasonSchema) },
  responses: {
    200: answer('It is held.', HoldSchema),
    ...problemResponses(
      'invalid-request',
      'forbidden',
      'unsupported-media-type',
      'too-large',
      'server-unavailable',
      'internal',
    ),
  },
});

const lift = createRoute({
  method: 'delete',
  path: '/legal-holds/{organizationId}',
  ...permits('erasure:create', 'organization'),
  tags,
  summary: 'Lift a legal hold',
  description: 'Rows past retention go with the next maintenance.',
  request: { params },
  responses: {
    200: answer('It is lifted.', z.object({ lifted: z.boolean() })),
    ...problemResponses('invalid-request', 'forbidden', 'unknown-hold', 'server-unavailable', 'internal'),
  },
});

export function legalHoldRoutes({ legalHolds }: Pick<ApiDeps, 'legalHolds'>) {
  const none = (organizationId: string) =>
    new ProblemError('unknown-hold', `Nothing of ${organizationId} is held; GET /legal-holds lists what is.`);

  return createRouter()
    .openapi(list, async (c) => {
      const holds = await legalHolds.list();
      return c.json({ holds: holds.filter(({ organizationId }) => owns(c.get('principal'), organizationId)) }, 200);
    })
    .openapi(one, async (c) => {
      const { organizationId } = c.req.valid('param');
      mustOwn(c.get('principal'), organizationId);
      const hold = await legalHolds.find(organizationId);
      if (hold === null) {
        throw none(organizationId);
      }
      return c.json(hold, 200);
    })
    .openapi(place, async (c) => {
      const { organizationId } = c.req.valid('param');
      mustOwn(c.get('principal'), organizationId);
      const { reason } = c.req.valid('json');
      return c.json(await legalHolds.place({ organizationId, reason, placedBy: c.get('principal').name }), 200);
    })
    .openapi(lift, async (c) => {
      const { organizationId } = c.req.valid('param');
      mustOwn(c.get('principal'), organizationId);
      if (!(await legalHolds.lift(organizationId))) {
        throw none(organizationId);
      }
      return c.json({ lifted: true }, 200);
    });
}
