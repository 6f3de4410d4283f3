/** How many events a second are ingested of an organization, and what of it waits. */
import { createRoute, z } from '@hono/zod-openapi';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { answer, jsonBody } from '../schemas.ts';
import { owns } from '../tenancy.ts';
import { OrganizationIdSchema } from './retention.ts';

/** How many organizations the list of what waits has. */
const LISTED = 1_000;

const eventsPerSecond = z.number().int().min(1).max(1_000_000).openapi({
  description:
    'On average, over all lanes and workers; ten seconds of it may come at once. What is over it waits in Kafka, and is read when there is room: keep an eye on the retention of the topics.',
});

const QuotaSchema = z
  .object({
    organizationId: z.string().nullable().openapi({ description: 'Null for each that has no quota of its own.' }),
    eventsPerSecond,
    changedBy: z.string(),
    changedAt: z.iso.datetime(),
  })
  .openapi('Quota');

const OverSchema = z
  .object({
    organizationId: z.string(),
    ranges: z.number().int(),
    records: z.number().int(),
    since: z.iso.datetime().openapi({ description: 'When the first of it was left in Kafka.' }),
  })
  .openapi('OverQuota');

const PutSchema = z
  .object({
    organizationId: OrganizationIdSchema.optional().openapi({
      description: 'Without it the quota is that of each organization that has none of its own.',
    }),
    eventsPerSecond,
  })
  .strict()
  .openapi('PutQuota');

const tags = ['Quotas'];

const list = createRoute({
  method: 'get',
  path: '/quotas',
  ...permits('ingestion:read', 'organization'),
  tags,
  summary: 'Quotas, and what is over them',
  description: 'Organizations without a quota are ingested as fast as it goes.',
  responses: {
    200: answer(
      `Quotas, and the ${LISTED} organizations whose events wait longest.`,
      z.object({ quotas: z.array(QuotaSchema), over: z.array(OverSchema) }).openapi('Quotas'),
    ),
    ...problemResponses('server-unavailable', 'internal'),
  },
});

const put = createRoute({
  method: 'put',
  path: '/quotas',
  ...permits('tenant:manage', 'installation'),
  tags,
  summary: 'Set a quota',
  description: 'Takes effect within two seconds. Replays and backfills have rates of their own.',
  request: { body: jsonBody(PutSchema) },
  responses: {
    200: answer('The quota.', QuotaSchema),
    ...problemResponses('invalid-request', 'unsupported-media-type', 'too-large', 'server-unavailable', 'internal'),
  },
});

const gone = {
  200: answer('It is removed. What waits is read with the next sweep.', z.object({ removed: z.boolean() })),
  ...problemResponses('invalid-request', 'unknown-quota', 'server-unavailable', 'internal'),
};

const removeOfAll = createRoute({
  method: 'delete',
  path: '/quotas',
  ...permits('tenant:manage', 'installation'),
  tags,
  summary: 'Remove the quota of those that have none of their own',
  description: 'Quotas of single organizations stand.',
  responses: gone,
});

const removeOfOne = createRoute({
  method: 'delete',
  path: '/quotas/{organizationId}',
  ...permits('tenant:manage', 'installation'),
  tags,
  summary: "Remove an organization's own quota",
  description: 'The quota of those that have none of their own holds for it again, where there is one.',
  request: { params: z.object({ organizationId: OrganizationIdSchema }) },
  responses: gone,
});

export function quotaRoutes({ quotas }: Pick<ApiDeps, 'quotas'>) {
  /** @throws ProblemError when there is none */
  async function remove(organizationId: string | null) {
    if (!(await quotas.remove(organizationId))) {
      throw new ProblemError('unknown-quota', 'There is no such quota; GET /quotas lists those there are.');
    }
    return { removed: true };
  }

  return createRouter()
    .openapi(list, async (c) => {
      const principal = c.get('principal');
      const listed = (await quotas.list()).filter(
        ({ organizationId }) => organizationId === null || owns(principal, organizationId),
      );
      const over = (await quotas.over(LISTED)).filter(({ organizationId }) => owns(principal, organizationId));
      return c.json({ quotas: listed, over }, 200);
    })
    .openapi(put, async (c) => {
      const { organizationId = null, eventsPerSecond: rate } = c.req.valid('json');
      const changedBy = c.get('principal').name;
      return c.json(await quotas.put({ organizationId, eventsPerSecond: rate, changedBy }), 200);
    })
    .openapi(removeOfAll, async (c) => c.json(await remove(null), 200))
    .openapi(removeOfOne, async (c) => c.json(await remove(c.req.valid('param').organizationId), 200));
}
