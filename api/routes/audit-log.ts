/** What was done and seen through the API, by whom. */
import { createRoute, z } from '@hono/zod-openapi';
import type { AuditLog, TrailSearch } from '../../activities/trail-ports.ts';
import { type ChainedEntry, TRAIL_KINDS, TRAIL_OUTCOMES, TRAIL_PRINCIPALS } from '../../domain/audit-trail.ts';
import { keepingScope } from '../../platform/scope.ts';
import { createRouter } from '../env.ts';
import { problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import type { Principal } from '../principal.ts';
import { answer, NDJSON, searchText, searchTime } from '../schemas.ts';
import { mustOwn } from '../tenancy.ts';

const EXPORT_PAGE = 1_000;

const FilterSchema = z
  .object({
    principal: searchText(255).optional().openapi({ description: 'Name of who asked.' }),
    organizationId: searchText(100).optional().openapi({ description: 'One of those that the entry names.' }),
    route: searchText(255).optional().openapi({
      description: 'Pattern of the path.',
      example: '/api/v1/crm-ingestion/dead-letters/:id/redrive',
    }),
    kind: z.enum(TRAIL_KINDS).optional(),
    outcome: z.enum(TRAIL_OUTCOMES).optional(),
    actionId: z.uuid().optional().openapi({ description: 'Of an attempt and its outcome.' }),
    requestId: searchText(128).optional(),
    from: searchTime.optional(),
    to: searchTime.optional().openapi({ description: 'Entries before this time.' }),
  })
  .strict();

const limit = z.coerce.number().int().min(1).max(500).default(50);
const cursor = z
  .string()
  .regex(/^[1-9]\d{0,14}$/u, 'is none that a list gave')
  .openapi({ description: 'The `nextCursor` of the page before.' });

const EntrySchema = z
  .object({
    sequence: z.number().int(),
    at: z.string(),
    kind: z.enum(TRAIL_KINDS).openapi({
      description:
        '`attempt`: before a change; `outcome`: after it; `read`: personal data, an export or this log was shown; `refusal`; `unidentified`: requests that nobody was known for, counted; `retention`: entries that left.',
    }),
    outcome: z.enum(TRAIL_OUTCOMES),
    actionId: z.string().openapi({ description: 'Joins an attempt and its outcome.' }),
    principal: z.string().nullable(),
    principalKind: z.enum(TRAIL_PRINCIPALS).nullable(),
    permission: z.string().nullable(),
    method: z.string().nullable(),
    route: z.string().nullable(),
    subject: z
      .record(z.string(), z.union([z.string(), z.number()]))
      .openapi({ description: 'Parameters of the path; what may be about a person as `sha256:…`.' }),
    organizations: z.array(z.string()).nullable(),
    status: z.number().int().nullable(),
    problem: z.string().nullable(),
    requestId: z.string().nullable(),
    clientAddress: z.string().nullable(),
    occurrences: z.number().int().openapi({ description: 'How many requests the entry stands for.' }),
    keyId: z.string().nullable(),
    hash: z.string(),
  })
  .openapi('AuditLogEntry');

const tags = ['Audit log'];

const list = createRoute({
  method: 'get',
  path: '/audit-log',
  ...permits('audit:read', 'organization'),
  tags,
  summary: 'What was done and seen, the newest first',
  description:
    'Changes, personal data that was shown, exports and refusals. Filters must all fit. Those who are bound to organizations see entries of theirs alone. That somebody looks here is itself recorded.',
  request: { query: FilterSchema.extend({ limit, cursor: cursor.optional() }) },
  responses: {
    200: answer('A page.', z.object({ items: z.array(EntrySchema), nextCursor: z.string().nullable() })),
    ...problemResponses('invalid-request', 'forbidden', 'internal', 'server-unavailable', 'audit-unavailable'),
  },
});

const exporting = createRoute({
  method: 'get',
  path: '/audit-log/export',
  ...permits('audit:read', 'organization'),
  tags,
  summary: 'The audit log as NDJSON',
  description:
    'All entries that fit the filter, the newest first, one JSON object a line. A connection that breaks before its end means that the export is not complete.',
  request: { query: FilterSchema },
  responses: {
    200: { description: 'The lines.', content: { [NDJSON]: { schema: z.string() } } },
    ...problemResponses('invalid-request', 'forbidden', 'internal', 'server-unavailable', 'audit-unavailable'),
  },
});

export function auditLogRoutes({ auditLog, logger }: Pick<ApiDeps, 'auditLog' | 'logger'>) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const search = searchOf(filter, c.get('principal'));
      // One more than asked for tells whether there is a next page.
      const found = await auditLog.list(search, {
        before: cursor === undefined ? null : Number(cursor),
        limit: limit + 1,
      });
      const items = found.slice(0, limit);
      const last = items.at(-1);
      const nextCursor = found.length > limit && last !== undefined ? String(last.sequence) : null;
      return c.json({ items, nextCursor }, 200);
    })
    .openapi(exporting, async (c) => {
      const search = searchOf(c.req.valid('query'), c.get('principal'));
      // The first page before the answer begins: what keeps it from being read can then still be said.
      const first = await auditLog.list(search, { before: null, limit: EXPORT_PAGE });

      const listMore = keepingScope<Parameters<AuditLog['list']>, ReturnType<AuditLog['list']>>((...page) =>
        auditLog.list(...page),
      );

      async function* lines(): AsyncGenerator<Uint8Array> {
        try {
          for await (const page of pages(listMore, search, first)) {
            yield Buffer.from(page.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
          }
        } catch (error) {
          logger.warn('an export broke off', { requestId: c.get('requestId'), error });
          throw error;
        }
      }
      return c.body(ReadableStream.from(lines()), 200, { 'content-type': NDJSON });
    });
}

async function* pages(
  listMore: AuditLog['list'],
  search: TrailSearch,
  first: ChainedEntry[],
): AsyncGenerator<ChainedEntry[]> {
  let page = first;
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    yield page;
    page = await listMore(search, { before: last.sequence, limit: EXPORT_PAGE });
  }
}

/**
 * PostgreSQL takes fewer offsets than ISO 8601 has.
 * @throws ProblemError `forbidden` when an organization is named that whoever asks is not bound to
 */
function searchOf({ from, to, ...filter }: z.infer<typeof FilterSchema>, principal: Principal): TrailSearch {
  if (filter.organizationId !== undefined) mustOwn(principal, filter.organizationId);
  return {
    ...filter,
    from: from === undefined ? undefined : new Date(from).toISOString(),
    to: to === undefined ? undefined : new Date(to).toISOString(),
    organizations: principal.organizations,
  };
}
