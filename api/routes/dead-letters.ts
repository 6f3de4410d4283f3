/** Looking at failed events. */
import { createRoute, z } from '@hono/zod-openapi';
import { failureClassOf } from '../../domain/failure-class.ts';
import { createRouter } from '../env.ts';
import { problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { existing } from './dead-letters-refusals.ts';
import {
  DeadLetterSchema,
  ErrorSchema,
  IdSchema,
  SearchSchema,
  searchOf,
  WholeDeadLetterSchema,
} from './dead-letters-schemas.ts';
import { idOf, itemOf, maySeePersonalData, showWhole } from './dead-letters-view.ts';

const TOP_ORGANIZATIONS = 20;

const limit = z.coerce.number().int().min(1).max(500).default(50);

/** An opaque place in the list: the id of the last event before it. */
const cursor = z
  .string()
  .refine((text) => Number.isSafeInteger(idOfCursor(text)), 'is none that a list gave')
  .openapi({ description: 'The `nextCursor` of the page before.' });

const PageSchema = z
  .object({
    items: z.array(DeadLetterSchema),
    nextCursor: z.string().nullable().openapi({ description: 'Gives the next page; null on the last one.' }),
  })
  .openapi('DeadLetterPage');

const GroupsSchema = z
  .object({
    groups: z.array(
      z.object({
        fingerprint: z.string(),
        count: z.number().int(),
        error: ErrorSchema.omit({ detail: true }),
        schemaId: z.number().int().nullable(),
        topics: z.array(z.string()),
        firstSeen: z.string(),
        lastSeen: z.string(),
        exampleId: z.number().int().openapi({ description: 'The newest of them.' }),
      }),
    ),
  })
  .openapi('DeadLetterGroups');

const count = z.number().int();

const SummarySchema = z
  .object({
    statuses: z.array(z.object({ status: z.string(), count })),
    errorCodes: z.array(z.object({ errorCode: z.string(), count })),
    organizations: z.array(z.object({ organizationId: z.string().nullable(), count })),
  })
  .openapi('DeadLetterSummary');

const tags = ['Dead letters'];

const list = createRoute({
  method: 'get',
  path: '/dead-letters',
  ...permits('deadletter:read', 'organization'),
  tags,
  summary: 'Failed events, the newest first',
  description:
    'Filters are query parameters and must all fit. An event that fails while someone pages does not shift the pages.',
  request: { query: SearchSchema.extend({ limit, cursor: cursor.optional() }) },
  responses: {
    200: { description: 'A page.', content: { 'application/json': { schema: PageSchema } } },
    ...problemResponses('invalid-request', 'internal', 'server-unavailable'),
  },
});

const summary = createRoute({
  method: 'get',
  path: '/dead-letters/summary',
  ...permits('deadletter:read', 'organization'),
  tags,
  summary: 'How many there are',
  description: `By status, and of those that are failed or dead by error code and for the ${TOP_ORGANIZATIONS} organizations with most.`,
  responses: {
    200: { description: 'The counts.', content: { 'application/json': { schema: SummarySchema } } },
    ...problemResponses('internal', 'server-unavailable'),
  },
});

const groups = createRoute({
  method: 'get',
  path: '/dead-letters/groups',
  ...permits('deadletter:read', 'organization'),
  tags,
  summary: 'Failed events by cause',
  description:
    'One group for each schema, error code, SQLSTATE and field, the largest first. Without `status`, of events that are failed or dead.',
  request: { query: SearchSchema.extend({ limit }) },
  responses: {
    200: { description: 'The groups.', content: { 'application/json': { schema: GroupsSchema } } },
    ...problemResponses('invalid-request', 'internal', 'server-unavailable'),
  },
});

const show = createRoute({
  method: 'get',
  path: '/dead-letters/{id}',
  ...permits('deadletter:read', 'organization'),
  tags,
  summary: 'All about one failed event',
  description: 'With the message decoded. Personal data is masked unless one has the permission `pii:read`.',
  request: { params: IdSchema },
  responses: {
    200: {
      description: 'The event; its `etag` guards a correction.',
      content: { 'application/json': { schema: WholeDeadLetterSchema } },
    },
    ...problemResponses('invalid-request', 'no-such-event', 'internal', 'server-unavailable'),
  },
});

export function deadLetterRoutes({ deadLetters, decoder }: Pick<ApiDeps, 'deadLetters' | 'decoder'>) {
  return createRouter()
    .openapi(list, async (c) => {
      const { cursor, limit, ...query } = c.req.valid('query');
      const before = cursor === undefined ? null : idOfCursor(cursor);
      // One more than asked for tells whether there is a next page.
      const found = await deadLetters.list(searchOf(query, c.get('principal')), { before, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      const nextCursor = found.length > limit && last !== undefined ? cursorOf(last.failedId) : null;
      const open = maySeePersonalData(c.get('principal'));
      return c.json({ items: page.map((letter) => itemOf(letter, open)), nextCursor }, 200);
    })
    .openapi(summary, async (c) => {
      const { organizations, ...counts } = await deadLetters.summary(TOP_ORGANIZATIONS);
      const open = maySeePersonalData(c.get('principal'));
      const shown = organizations.map(({ organizationId, count }) => ({
        organizationId: idOf(organizationId, open),
        count,
      }));
      return c.json({ ...counts, organizations: shown }, 200);
    })
    .openapi(groups, async (c) => {
      const { limit, ...query } = c.req.valid('query');
      const found = await deadLetters.groups(searchOf(query, c.get('principal')), limit);
      return c.json(
        {
          groups: found.map(({ errorCode, sqlstate, field, ...group }) => ({
            ...group,
            error: { code: errorCode, class: failureClassOf(errorCode), field, sqlstate },
          })),
        },
        200,
      );
    })
    .openapi(show, async (c) => {
      const { id } = c.req.valid('param');
      return c.json(await showWhole(c, await existing(deadLetters, id, c.get('principal')), decoder), 200);
    });
}

function cursorOf(failedId: number): string {
  return Buffer.from(String(failedId)).toString('base64url');
}

function idOfCursor(text: string): number {
  const id = Buffer.from(text, 'base64url').toString();
  return /^[1-9]\d{0,15}$/u.test(id) ? Number(id) : Number.NaN;
}
