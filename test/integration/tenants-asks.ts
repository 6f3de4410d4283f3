/** How each route that speaks of organizations is asked for something of one of them. */
import type { Things } from './tenants-harness.ts';

export interface Ask {
  /** Of the path, by name. */
  params?: Record<string, string | number>;
  query?: string;
  json?: unknown;
  /** What it is answered as things stand, where it is allowed; 200 or 202 without it. */
  stands?: number[];
}

/** Nothing runs for the redrives and replays of the test, which are rows alone: there is nobody to tell. */
const NOBODY_TO_TELL = [409];

const letterId = (of: Things) => ({ params: { id: of.letter().failedId } });
const byId = (id: string) => ({ params: { id } });
const organization = ({ organizationId }: Things) => ({ organizationId });
const ranges = ({ topic }: Things) => [{ topic, partition: 0, from: 0, to: 1 }];

export const ASKS: Record<string, (of: Things) => Ask | Promise<Ask>> = {
  'GET /audit-log': () => ({ query: '?limit=500' }),
  'GET /audit-log/export': () => ({}),
  'GET /leads/{id}/history': (of) => byId(of.lead),
  'GET /contacts/{id}/history': (of) => byId(of.contact),
  'GET /opportunities/{id}/history': (of) => byId(of.opportunity),
  'POST /enqueue': ({ topic, offset }) => ({ json: { topic, partition: 0, offset } }),
  'GET /jobs/{id}': async (of) => byId(await of.job()),
  'GET /dead-letters': () => ({ query: '?limit=500' }),
  'GET /dead-letters/export': () => ({}),
  'GET /dead-letters/summary': () => ({}),
  'GET /dead-letters/groups': () => ({}),
  'GET /dead-letters/{id}': letterId,
  'PUT /dead-letters/{id}/correction': (of) => {
    const { failedId, eventId } = of.letter();
    return { params: { id: failedId }, json: correctionOf(eventId, of.organizationId) };
  },
  'DELETE /dead-letters/{id}/correction': letterId,
  'POST /dead-letters/{id}/redrive': letterId,
  'POST /dead-letters/{id}/discard': (of) => ({ ...letterId(of), json: { reason: 'of no use' } }),
  'POST /redrives/plan': (of) => ({ json: { filter: organization(of) } }),
  'POST /redrives': (of) => ({ json: { filter: { ...organization(of), failedIds: [of.letter().failedId] } } }),
  'GET /redrives': () => ({}),
  'GET /redrives/{id}': async (of) => byId(await of.running()),
  'POST /redrives/{id}/pause': async (of) => ({ ...byId(await of.running()), stands: NOBODY_TO_TELL }),
  'POST /redrives/{id}/resume': async (of) => byId(await of.running()),
  'POST /redrives/{id}/cancel': async (of) => byId(await of.running()),
  'POST /redrives/{id}/approve': async (of) => byId(await of.awaiting()),
  'POST /redrives/{id}/reject': async (of) => byId(await of.awaiting()),
  'PUT /redrives/{id}/rate': async (of) => ({
    ...byId(await of.running()),
    json: { ratePerSecond: 5 },
    stands: NOBODY_TO_TELL,
  }),
  'POST /replays/plan': (of) => ({ json: { ranges: ranges(of), filter: organization(of) } }),
  'POST /replays': (of) => ({ json: { ranges: ranges(of), filter: organization(of) } }),
  'POST /backfills/plan': (of) => ({ json: { source: 'kafka', topics: [of.topic], filter: organization(of) } }),
  'POST /backfills': (of) => ({ json: { source: 'kafka', topics: [of.topic], filter: organization(of) } }),
  'GET /replays': () => ({}),
  'GET /replays/{id}': async (of) => byId(await of.replay()),
  'POST /replays/{id}/pause': async (of) => ({ ...byId(await of.replay()), stands: NOBODY_TO_TELL }),
  'POST /replays/{id}/resume': async (of) => byId(await of.replay()),
  'POST /replays/{id}/cancel': async (of) => byId(await of.replay()),
  'PUT /replays/{id}/rate': async (of) => ({
    ...byId(await of.replay()),
    json: { lanes: 2 },
    stands: NOBODY_TO_TELL,
  }),
  'GET /retention': () => ({}),
  'PUT /retention': (of) => ({ json: { table: 'crm_leads_staging', keepDays: 36_000, ...organization(of) } }),
  'DELETE /retention/{table}/{organizationId}': async (of) => {
    await of.rule();
    return { params: { table: 'crm_leads_staging', ...organization(of) } };
  },
  'GET /quotas': () => ({}),
  'GET /legal-holds': () => ({}),
  'GET /legal-holds/{organizationId}': async (of) => {
    await of.hold();
    return { params: organization(of) };
  },
  'PUT /legal-holds/{organizationId}': (of) => ({ params: organization(of), json: { reason: 'so the court says' } }),
  'DELETE /legal-holds/{organizationId}': async (of) => {
    await of.hold();
    return { params: organization(of) };
  },
  'POST /erasures': (of) => ({
    json: {
      subject: { entity: 'lead', ids: ['nobody-at-all'], ...organization(of) },
      action: 'delete',
      reason: 'asked to by letter',
    },
    // A legal hold of the requests before may stand.
    stands: [202, 409],
  }),
  'GET /erasures': () => ({}),
  'GET /erasures/{id}': async (of) => byId(await of.erasure()),
};

/** Other ways to get at something of others, and what they are answered. */
export const BACK_WAYS: ReadonlyArray<{ route: string; status: number; ask(of: Things): Ask | Promise<Ask> }> = [
  { route: 'GET /audit-log', status: 403, ask: (of) => ({ query: `?organizationId=${of.organizationId}` }) },
  { route: 'GET /audit-log/export', status: 403, ask: (of) => ({ query: `?organizationId=${of.organizationId}` }) },
  { route: 'GET /dead-letters', status: 403, ask: (of) => ({ query: `?organizationId=${of.organizationId}` }) },
  { route: 'GET /dead-letters/export', status: 403, ask: (of) => ({ query: `?organizationId=${of.organizationId}` }) },
  { route: 'GET /dead-letters/groups', status: 403, ask: (of) => ({ query: `?organizationId=${of.organizationId}` }) },
  { route: 'GET /dead-letters', status: 200, ask: (of) => ({ query: `?failedIds=${of.letter().failedId}` }) },
  { route: 'GET /dead-letters/export', status: 200, ask: (of) => ({ query: `?failedIds=${of.letter().failedId}` }) },
  { route: 'GET /dead-letters/groups', status: 200, ask: (of) => ({ query: `?failedIds=${of.letter().failedId}` }) },
  {
    route: 'GET /leads/{id}/history',
    status: 403,
    ask: (of) => ({ ...byId(of.lead), query: `?organizationId=${of.organizationId}` }),
  },
  { route: 'POST /redrives', status: 409, ask: (of) => ({ json: { filter: { failedIds: [of.letter().failedId] } } }) },
  {
    route: 'POST /redrives',
    status: 409,
    ask: (of) => ({ json: { filter: { failedIds: [of.letter().failedId] }, action: 'discard', reason: 'of no use' } }),
  },
  {
    route: 'POST /redrives/plan',
    status: 200,
    ask: (of) => ({ json: { filter: { failedIds: [of.letter().failedId] } } }),
  },
  { route: 'POST /replays', status: 403, ask: async (of) => ({ json: { runId: await of.replay() } }) },
  {
    route: 'POST /backfills/plan',
    status: 403,
    ask: () => ({ json: { source: 'files', folder: '.', format: 'ndjson' } }),
  },
  {
    route: 'POST /erasures',
    status: 403,
    ask: (of) => ({
      json: { subject: { email: `${of.organizationId}@leak.example` }, action: 'delete', reason: 'asked to' },
    }),
  },
  {
    route: 'POST /erasures',
    status: 403,
    ask: (of) => ({
      json: { subject: { organizationId: of.organizationId }, action: 'delete', reason: 'asked to by letter' },
    }),
  },
  {
    route: 'PUT /retention',
    status: 403,
    ask: () => ({ json: { table: 'crm_leads_staging', keepDays: 1 } }),
  },
];

/** A sound event of an id and an organization, as a person writes it. */
function correctionOf(eventId: string, organizationId: string) {
  return {
    ...{ eventId, eventType: 'lead.created', organizationId, timestamp: '2026-11-20T12:00:00Z', metadata: null },
    data: {
      ...{ id: `lead-${eventId}`, firstName: 'Ada', lastName: 'Lovelace', email: 'ada@example.com', phone: null },
      ...{ company: null, title: null, source: 'web', status: 'new', score: null, assignedTo: null, organizationId },
      ...{ createdAt: '2026-11-20T12:00:00Z', updatedAt: '2026-11-20T12:00:00Z' },
    },
  };
}
