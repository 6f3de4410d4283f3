/** Proofs of chosen ranges. */
import { randomUUID } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { jsonBody } from '../schemas.ts';

/** How many of the latest audits the list has. */
const LISTED = 100;

const offset = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const RequestSchema = z
  .object({
    topic: z.string().min(1).max(249).optional().openapi({ example: 'crm.leads', description: 'All without it.' }),
    partition: z.number().int().min(0).max(2_147_483_647).optional().openapi({ description: 'All without it.' }),
    from: offset.optional().openapi({ description: 'First offset; the first that was read without it.' }),
    to: offset.optional().openapi({ description: 'The offset after the last; where the position stands without it.' }),
    recount: z
      .boolean()
      .default(false)
      .openapi({ description: 'Whether to read the range from Kafka again and count its records.' }),
  })
  .strict()
  .refine(({ topic, partition }) => partition === undefined || topic !== undefined, {
    path: ['partition'],
    error: 'needs a topic beside it',
  })
  .refine(({ partition, from, to }) => partition !== undefined || (from === undefined && to === undefined), {
    path: ['from'],
    error: 'offsets need a topic and a partition beside them',
  })
  .refine(({ from, to }) => from === undefined || to === undefined || from < to, {
    path: ['to'],
    error: 'must be greater than from',
  })
  .openapi('AuditRequest');

const time = z.iso.datetime();

const SummarySchema = z
  .object({
    auditId: z.string(),
    request: z.object({
      topic: z.string().optional(),
      partition: z.number().int().optional(),
      from: z.number().int().optional(),
      to: z.number().int().optional(),
      recount: z.boolean(),
    }),
    status: z.enum(['running', 'finished', 'failed']),
    requestedBy: z.string(),
    requestedAt: time,
    finishedAt: time.nullable(),
  })
  .openapi('AuditSummary');

const ReportSchema = z
  .looseObject({
    auditId: z.string(),
    consumerGroup: z.string(),
    concludedAt: time,
    verdict: z.enum(['clean', 'findings']),
    findings: z.array(z.string()).openapi({ description: 'Of the installation as a whole, in words.' }),
    identities: z.array(z.looseObject({ name: z.string(), booked: z.number(), counted: z.number() })),
    partitions: z.array(
      z.looseObject({
        topic: z.string(),
        partition: z.number().int(),
        findings: z.array(z.string()).openapi({ description: 'Of the partition, in words.' }),
      }),
    ),
    signedBy: z.string().nullable().openapi({ description: 'Id of the key; null when the report is unsigned.' }),
  })
  .openapi('AuditReport', { description: 'docs/BOOKS.md explains every field.' });

const AuditSchema = SummarySchema.extend({
  report: ReportSchema.nullable().openapi({ description: 'Null until the audit is finished.' }),
  signature: z.string().nullable().openapi({
    description: 'Base64 of an Ed25519 signature over the canonical JSON (RFC 8785) of `report`.',
  }),
}).openapi('Audit');

const tags = ['Books'];
const json = <S extends z.ZodType>(description: string, schema: S) => ({
  description,
  content: { 'application/json': { schema } },
});

const start = createRoute({
  method: 'post',
  path: '/audits',
  ...permits('audit:read', 'installation'),
  tags,
  summary: 'Prove a range of offsets',
  description:
    "Has a workflow prove the range from the chain, the tables and Kafka's own offsets, partition by partition. Offsets are widened to whole batches.",
  request: { body: jsonBody(RequestSchema) },
  responses: {
    202: json('It has begun; /audits/{id} has the report once it is there.', z.object({ auditId: z.string() })),
    ...problemResponses(
      'invalid-request',
      'too-large',
      'unsupported-media-type',
      'server-unavailable',
      'control-unavailable',
      'internal',
    ),
  },
});

const list = createRoute({
  method: 'get',
  path: '/audits',
  ...permits('audit:read', 'installation'),
  tags,
  summary: 'The latest audits',
  description: 'What was asked, by whom, and how far it is; /audits/{id} has the report.',
  responses: {
    200: json(`The last ${LISTED}, latest first.`, z.object({ audits: z.array(SummarySchema) })),
    ...problemResponses('server-unavailable', 'internal'),
  },
});

const one = createRoute({
  method: 'get',
  path: '/audits/{id}',
  ...permits('audit:read', 'installation'),
  tags,
  summary: 'An audit with its report',
  description: 'Save the answer as a file to check its signature with `npm run audit:verify`.',
  request: { params: z.object({ id: z.uuid() }) },
  responses: {
    200: json('The audit.', AuditSchema),
    ...problemResponses('invalid-request', 'unknown-audit', 'server-unavailable', 'internal'),
  },
});

type AuditDeps = Pick<ApiDeps, 'audits' | 'auditControl' | 'settings'>;

export function auditRoutes({ audits, auditControl, settings }: AuditDeps) {
  const { consumerGroup } = settings;
  return createRouter()
    .openapi(start, async (c) => {
      const auditId = randomUUID();
      await audits.create({ auditId, request: c.req.valid('json'), requestedBy: c.get('principal').name });
      try {
        await auditControl.start({ auditId, consumerGroup });
      } catch (error) {
        await audits.fail(auditId);
        throw error;
      }
      return c.json({ auditId }, 202);
    })
    .openapi(list, async (c) => c.json({ audits: await audits.list(LISTED) }, 200))
    .openapi(one, async (c) => {
      const { id } = c.req.valid('param');
      const audit = await audits.find(id);
      if (audit === null) {
        throw new ProblemError('unknown-audit', `No audit has the id ${id}; see /audits for those there are.`);
      }
      const { report, ...rest } = audit;
      return c.json({ ...rest, report: report === null ? null : { ...report } }, 200);
    });
}
