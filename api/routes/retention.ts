/** How long rows are kept, by table and by organization. */
import { createRoute, z } from '@hono/zod-openapi';
import type { PartitionedTable, RetentionRule } from '../../activities/maintenance-ports.ts';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { answer, jsonBody } from '../schemas.ts';
import { mustBeUnbound, mustOwn, owns } from '../tenancy.ts';
import { TableSchema } from './partitions.ts';

export const OrganizationIdSchema = z.string().min(1).max(100).openapi({ example: 'org-1' });

const RULE = {
  table: TableSchema,
  keepDays: z
    .number()
    .int()
    .min(1)
    .max(36_500)
    .nullable()
    .openapi({ description: 'Whole days of event time, in UTC; null for ever.' }),
  afterwards: z.enum(['drop', 'archive']).openapi({
    description:
      '`archive`: its partitions move to schema `analytics_archive`. Rows of one organization are always deleted.',
  }),
  late: z.enum(['rebuild', 'quarantine', 'drop']).openapi({
    description:
      'What becomes of an event that arrives later. `rebuild`: it gets a partition again, until the next maintenance. `quarantine`: it is a dead letter. `drop`: it is logged and counted, and nothing of it is kept.',
  }),
};

const RuleSchema = z
  .object({
    ...RULE,
    organizationId: z.string().nullable().openapi({ description: 'Null for the table as a whole.' }),
    changedBy: z.string(),
    changedAt: z.iso.datetime(),
  })
  .openapi('RetentionRule');

const PutSchema = z
  .object({
    ...RULE,
    organizationId: OrganizationIdSchema.optional().openapi({
      description: 'Rows of this organization alone, which go earlier than the rest.',
    }),
    afterwards: RULE.afterwards.default('drop'),
    late: RULE.late.default('quarantine'),
  })
  .strict()
  .refine(({ organizationId, keepDays }) => organizationId === undefined || keepDays !== null, {
    path: ['keepDays'],
    error: 'of one organization must be a number: a legal hold keeps its rows for ever',
  })
  .refine(({ organizationId, afterwards }) => organizationId === undefined || afterwards === 'drop', {
    path: ['afterwards'],
    error: 'of one organization must be drop: its rows are deleted',
  })
  .openapi('PutRetentionRule');

const tags = ['Partitions'];

const list = createRoute({
  method: 'get',
  path: '/retention',
  ...permits('ingestion:read', 'organization'),
  tags,
  summary: 'How long rows are kept',
  description:
    'Tables without a rule keep their rows for ever. An identity that is bound sees the rules of the tables and of its own organizations.',
  responses: {
    200: answer('By table and organization.', z.object({ rules: z.array(RuleSchema) })),
    ...problemResponses('server-unavailable', 'internal'),
  },
});

const put = createRoute({
  method: 'put',
  path: '/retention',
  ...permits('partition:manage', 'organization'),
  tags,
  summary: 'Decide how long rows are kept',
  description:
    'Takes effect with the next maintenance. A dry run of it tells what would go. An identity that is bound decides for its own organizations, and not for longer than the table keeps its rows.',
  request: { body: jsonBody(PutSchema) },
  responses: {
    200: answer('The rule.', RuleSchema),
    ...problemResponses(
      'invalid-request',
      'forbidden',
      'refused',
      'unsupported-media-type',
      'too-large',
      'server-unavailable',
      'internal',
    ),
  },
});

const gone = z.object({ removed: z.boolean() });
const removed = {
  200: answer('It is removed: rows are kept for ever, or as the rule of the table says.', gone),
  ...problemResponses('invalid-request', 'forbidden', 'unknown-retention', 'server-unavailable', 'internal'),
};

const removeOfTable = createRoute({
  method: 'delete',
  path: '/retention/{table}',
  ...permits('partition:manage', 'installation'),
  tags,
  summary: 'Keep the rows of a table for ever again',
  description: 'Rules for organizations stand.',
  request: { params: z.object({ table: TableSchema }) },
  responses: removed,
});

const removeOfOrganization = createRoute({
  method: 'delete',
  path: '/retention/{table}/{organizationId}',
  ...permits('partition:manage', 'organization'),
  tags,
  summary: 'Keep rows of an organization as long as those of the others',
  description: 'From the next maintenance on; what is deleted stays so.',
  request: { params: z.object({ table: TableSchema, organizationId: OrganizationIdSchema }) },
  responses: removed,
});

export function retentionRoutes({ retention }: Pick<ApiDeps, 'retention'>) {
  /** @throws ProblemError when there is none */
  async function remove(table: PartitionedTable, organizationId: string | null) {
    if (!(await retention.remove(table, organizationId))) {
      throw new ProblemError('unknown-retention', `${table} has no such rule; GET /retention lists those there are.`);
    }
    return { removed: true };
  }

  /** @throws ProblemError for a longer time than the installation keeps the rows of a table */
  async function checkLimit({ table, keepDays }: Pick<RetentionRule, 'table' | 'keepDays'>): Promise<void> {
    const whole = (await retention.list()).find((rule) => rule.table === table && rule.organizationId === null);
    const longest = whole?.keepDays ?? null;
    if (longest !== null && (keepDays === null || keepDays > longest)) {
      throw new ProblemError('refused', `Rows of ${table} are kept for ${longest} days at most.`);
    }
  }

  return createRouter()
    .openapi(list, async (c) => {
      const principal = c.get('principal');
      const isShown = ({ organizationId }: RetentionRule) => organizationId === null || owns(principal, organizationId);
      return c.json({ rules: (await retention.list()).filter(isShown) }, 200);
    })
    .openapi(put, async (c) => {
      const { organizationId = null, ...rule } = c.req.valid('json');
      const principal = c.get('principal');
      if (organizationId === null) mustBeUnbound(principal, 'Name an organization.');
      else mustOwn(principal, organizationId);
      if (principal.organizations !== null) await checkLimit(rule);
      return c.json(await retention.put({ ...rule, organizationId, changedBy: c.get('principal').name }), 200);
    })
    .openapi(removeOfTable, async (c) => c.json(await remove(c.req.valid('param').table, null), 200))
    .openapi(removeOfOrganization, async (c) => {
      const { table, organizationId } = c.req.valid('param');
      mustOwn(c.get('principal'), organizationId);
      return c.json(await remove(table, organizationId), 200);
    });
}
