/** Keys of machines: made, listed, revoked. */
import { createRoute, z } from '@hono/zod-openapi';
import { type ApiKey, MOST_KEY_DAYS } from '../../activities/api-key-ports.ts';
import { ALL_PERMISSIONS, ALL_ROLES, permissionsOf } from '../../domain/permissions.ts';
import { newApiKey } from '../auth/api-key.ts';
import { MOST_ORGANIZATIONS } from '../auth/claims.ts';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import type { Principal } from '../principal.ts';
import { answer, jsonBody } from '../schemas.ts';
import { OrganizationIdSchema } from './retention.ts';

const DAY_MS = 86_400_000;

/** Letters, digits and a few signs: it signs for things, as `key:name`. */
const NameSchema = z
  .string()
  .regex(
    /^[\p{L}\p{N}](?:[\p{L}\p{N} ._:@/-]{0,98}[\p{L}\p{N}])?$/u,
    'must be 1 to 100 letters, digits, spaces or . _ : @ / -',
  )
  .openapi({ example: 'nightly-export' });

const GrantSchema = z.enum([...ALL_ROLES, ...ALL_PERMISSIONS]);

const CreateSchema = z
  .object({
    name: NameSchema,
    grants: z
      .array(GrantSchema)
      .min(1)
      .max(50)
      .openapi({ description: 'Roles and single permissions, none that you have not yourself.', example: ['viewer'] }),
    organizations: z
      .array(OrganizationIdSchema)
      .min(1)
      .max(MOST_ORGANIZATIONS)
      .nullable()
      .openapi({ description: 'Whose rows it may touch; null for the whole installation.', example: ['org-1'] }),
    expiresInDays: z.number().int().min(1).max(MOST_KEY_DAYS).default(90).openapi({ example: 90 }),
  })
  .strict()
  .openapi('CreateApiKey');

const KeySchema = z
  .object({
    keyId: z.uuid(),
    name: z.string(),
    state: z.enum(['usable', 'expired', 'revoked']),
    grants: z.array(z.string()),
    organizations: z.array(z.string()).nullable().openapi({ description: 'Null for the whole installation.' }),
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
    revokedBy: z.string().nullable(),
    revokedAt: z.iso.datetime().nullable(),
    lastUsedAt: z.iso.datetime().nullable().openapi({ description: 'To the minute.' }),
  })
  .openapi('ApiKey');

const tags = ['API keys'];

const create = createRoute({
  method: 'post',
  path: '/api-keys',
  ...permits('tenant:manage', 'installation'),
  tags,
  summary: 'Make an API key',
  description: 'The key is in the answer and nowhere else, ever. Send it as `Authorization: Bearer …`.',
  request: { body: jsonBody(CreateSchema) },
  responses: {
    201: answer(
      'It can be used.',
      KeySchema.extend({ key: z.string().openapi({ description: 'Shown this once.' }) }).openapi('NewApiKey'),
    ),
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

const list = createRoute({
  method: 'get',
  path: '/api-keys',
  ...permits('tenant:manage', 'installation'),
  tags,
  summary: 'All API keys',
  description: 'Those that can be used first, then the latest; 1,000 at most. What they look like is not kept.',
  responses: {
    200: answer('Without the keys themselves.', z.object({ apiKeys: z.array(KeySchema) })),
    ...problemResponses('server-unavailable', 'internal'),
  },
});

const revoke = createRoute({
  method: 'delete',
  path: '/api-keys/{id}',
  ...permits('tenant:manage', 'installation'),
  tags,
  summary: 'Revoke an API key',
  description: 'Nothing takes it any more after 5 s. It stays in the list.',
  request: { params: z.object({ id: z.uuid() }) },
  responses: {
    200: answer('It is revoked.', KeySchema),
    ...problemResponses('invalid-request', 'unknown-api-key', 'server-unavailable', 'internal'),
  },
});

export function apiKeyRoutes({ apiKeys }: Pick<ApiDeps, 'apiKeys'>) {
  return createRouter()
    .openapi(create, async (c) => {
      const { expiresInDays, ...asked } = c.req.valid('json');
      const principal = c.get('principal');
      mayGrant(principal, asked.grants);
      const { key, ...made } = newApiKey();
      const kept = await apiKeys.create({
        ...asked,
        ...made,
        createdBy: principal.name,
        lifetimeMs: expiresInDays * DAY_MS,
      });
      return c.json({ ...shown(kept), key }, 201);
    })
    .openapi(list, async (c) => c.json({ apiKeys: (await apiKeys.list()).map(shown) }, 200))
    .openapi(revoke, async (c) => {
      const revoked = await apiKeys.revoke(c.req.valid('param').id, c.get('principal').name);
      if (revoked === null) throw new ProblemError('unknown-api-key', 'GET /api-keys lists those there are.');
      return c.json(shown(revoked), 200);
    });
}

/** @throws ProblemError that names what somebody would give without having it */
function mayGrant({ permissions }: Principal, grants: readonly string[]): void {
  const beyond = [...permissionsOf(grants)].filter((permission) => !permissions.has(permission));
  if (beyond.length > 0) {
    throw new ProblemError('forbidden', `You can not give what you have not: ${beyond.join(', ')}.`);
  }
}

function shown(key: ApiKey): z.infer<typeof KeySchema> {
  const isPast = Date.parse(key.expiresAt) <= Date.now();
  return { ...key, state: key.revokedAt !== null ? 'revoked' : isPast ? 'expired' : 'usable' };
}
