/** Leads, contacts and opportunities over time, and where each change came from. */
import { createRoute } from '@hono/zod-openapi';
import type { EntityVersion } from '../../activities/history-ports.ts';
import type { Entity } from '../../domain/events.ts';
import { changedFields, type EntityData } from '../../domain/history.ts';
import { maskField, maskOpen } from '../../domain/masking.ts';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { searched } from '../tenancy.ts';
import { maySeePersonalData } from './dead-letters-view.ts';
import { cursorOf, HistorySchema, IdSchema, placeOf, QuerySchema } from './history-schemas.ts';

const PATHS = {
  lead: '/leads/{id}/history',
  contact: '/contacts/{id}/history',
  opportunity: '/opportunities/{id}/history',
} as const;

const history = (entity: Entity) =>
  createRoute({
    method: 'get',
    path: PATHS[entity],
    ...permits('ingestion:read', 'organization'),
    tags: ['Lineage'],
    summary: `${entity === 'opportunity' ? 'An' : 'A'} ${entity} as it was, and what made it so`,
    description:
      'What its staging rows say: its fields at a moment, and each event up to then with the topic, partition, offset, schema and run that brought it. Personal data is masked unless one has the permission `pii:read`.',
    request: { params: IdSchema, query: QuerySchema },
    responses: {
      200: { description: 'A page of its history.', content: { 'application/json': { schema: HistorySchema } } },
      ...problemResponses(
        'invalid-request',
        'forbidden',
        'unknown-entity',
        'several-organizations',
        'internal',
        'server-unavailable',
      ),
    },
  });

type Histories = ApiDeps['histories'];

export function historyRoutes({ histories }: Pick<ApiDeps, 'histories'>) {
  const router = createRouter();
  for (const entity of ['lead', 'contact', 'opportunity'] as const) {
    router.openapi(history(entity), async (c) => {
      const { id } = c.req.valid('param');
      const { at, organizationId, limit, cursor } = c.req.valid('query');
      const principal = c.get('principal');
      const until = at === undefined ? Date.now() : Date.parse(at);
      const ref = {
        entity,
        id,
        organizationId: await ownerOf(histories, entity, id, searched(principal, organizationId) ?? null),
      };
      const before = cursor === undefined ? null : placeOf(cursor);
      // One more than asked for is what the last one is compared with, and tells whether there is a next page.
      const found = await histories.versions(ref, { until, before, limit: limit + 1 });
      const [newest] = before === null ? found : await histories.versions(ref, { until, before: null, limit: 1 });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      const open = maySeePersonalData(principal);
      return c.json(
        {
          entity,
          id: shownId(id, open),
          organizationId: shownId(ref.organizationId, open),
          at: new Date(until).toISOString(),
          state: newest === undefined ? null : shown(newest.data, open),
          changes: page.map((version, index) => changeOf(version, found[index + 1], open)),
          nextCursor: found.length > limit && last !== undefined ? cursorOf(last) : null,
          masked: !open,
        },
        200,
      );
    });
  }
  return router;
}

/** Never tells which organizations there are. */
async function ownerOf(
  histories: Histories,
  entity: Entity,
  id: string,
  organizationId: string | null,
): Promise<string> {
  const [owner, another] = await histories.owners(entity, id, organizationId);
  if (owner === undefined) {
    throw new ProblemError(
      'unknown-entity',
      `Nothing of ${entity === 'opportunity' ? 'an' : 'a'} ${entity} with this id is kept${organizationId === null ? '' : ' for this organization'}.`,
    );
  }
  if (another !== undefined) {
    throw new ProblemError(
      'several-organizations',
      'Several organizations have this id: say by organizationId which one is meant.',
    );
  }
  return owner;
}

function changeOf(version: EntityVersion, before: EntityVersion | undefined, open: boolean) {
  const { eventId, eventType, eventTimestamp, processedAt, origin, schemaId, corrected, run, overwritten } = version;
  return {
    eventId: shownId(eventId, open),
    ...{ eventType, eventTimestamp, processedAt, origin, schemaId, corrected, run, overwritten },
    changed: changedFields(before?.data ?? null, version.data).map(({ field, from, to }) => ({
      field,
      from: shownValue(field, from, open),
      to: shownValue(field, to, open),
    })),
  };
}

function shownId(id: string, open: boolean): string {
  return open ? id : maskOpen(id);
}

function shown(data: EntityData, open: boolean) {
  return Object.fromEntries(Object.entries(data).map(([field, value]) => [field, shownValue(field, value, open)]));
}

function shownValue(field: string, value: string | number | null, open: boolean) {
  return open || value === null ? value : maskField(`data.${field}`, value);
}
