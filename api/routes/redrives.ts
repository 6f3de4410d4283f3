/** Redriving and discarding many failed events at once. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Redrive, RedriveRequest } from '../../activities/redrive-ports.ts';
import { type ApiEnv, createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { needs, permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { answer, jsonBody } from '../schemas.ts';
import { limitedFilter, owns } from '../tenancy.ts';
import { maySeePersonalData } from './dead-letters-view.ts';
import {
  PlannedSchema,
  PlanSchema,
  RateSchema,
  RedriveIdSchema,
  RedriveNowSchema,
  RedriveSchema,
  RequestSchema,
  redriveNowView,
  redriveView,
  requestOf,
} from './redrives-schemas.ts';

const tags = ['Redrives'];

/** Most redrives in a list. */
const LISTED = 100;

const planned = createRoute({
  method: 'post',
  path: '/redrives/plan',
  ...permits('deadletter:redrive', 'organization'),
  tags,
  summary: 'What a redrive or discard would do',
  description: 'Counts the events that fit, and tries up to 10,000 of them dry: nothing is written.',
  request: { body: jsonBody(PlanSchema) },
  responses: {
    200: answer('What would become of the events.', PlannedSchema),
    ...problemResponses('invalid-request', 'too-large', 'unsupported-media-type', 'internal', 'server-unavailable'),
  },
});

const requested = createRoute({
  method: 'post',
  path: '/redrives',
  ...permits('deadletter:redrive', 'organization'),
  tags,
  summary: 'Redrive or discard the failed events that fit a filter',
  description:
    'Each is tried once, as it is now, corrected where a person did so, mended where there is a `fix`. Events that fail later than the request are not among them.',
  request: { body: jsonBody(RequestSchema) },
  responses: {
    202: answer('It runs, or waits for a second person.', RedriveSchema),
    ...problemResponses(
      'invalid-request',
      'refused',
      'too-large',
      'unsupported-media-type',
      'internal',
      'server-unavailable',
      'control-unavailable',
    ),
  },
});

const listed = createRoute({
  method: 'get',
  path: '/redrives',
  ...permits('deadletter:read', 'organization'),
  tags,
  summary: 'The last 100 redrives',
  description: 'Of everybody, with what became of their events.',
  responses: {
    200: answer('The newest first.', z.object({ redrives: z.array(RedriveSchema) }).openapi('Redrives')),
    ...problemResponses('internal', 'server-unavailable'),
  },
});

const one = createRoute({
  method: 'get',
  path: '/redrives/{id}',
  ...permits('deadletter:read', 'organization'),
  tags,
  summary: 'How a redrive is getting on',
  description: 'Its counts are exact at any time; phase and rates are those of its workflow.',
  request: { params: RedriveIdSchema },
  responses: {
    200: answer('Exact counts, and how fast it is.', RedriveNowSchema),
    ...problemResponses('invalid-request', 'unknown-redrive', 'internal', 'server-unavailable'),
  },
});

const ACTIONS = {
  pause: ['Pause a redrive', 'Events under way are finished, then nothing is tried until it is resumed.'],
  resume: ['Go on after a pause', 'Also begins one that could not be started when it was requested.'],
  cancel: ['End a redrive', 'What it did stays done.'],
  approve: ['Agree to a redrive', 'By another person than the requester; it then runs.'],
  reject: ['Refuse a redrive', 'By another person than the requester.'],
} as const;

function told<const Action extends keyof typeof ACTIONS>(action: Action) {
  const [summary, description] = ACTIONS[action];
  return createRoute({
    method: 'post',
    path: `/redrives/{id}/${action}`,
    ...permits('deadletter:redrive', 'organization'),
    tags,
    summary,
    description,
    request: { params: RedriveIdSchema },
    responses: {
      200: answer('The redrive as it is now; it may take a moment to act.', RedriveSchema),
      ...problemResponses(
        'invalid-request',
        'unknown-redrive',
        'refused',
        'too-large',
        'internal',
        'server-unavailable',
        'control-unavailable',
      ),
    },
  });
}

const rated = createRoute({
  method: 'put',
  path: '/redrives/{id}/rate',
  ...permits('deadletter:redrive', 'organization'),
  tags,
  summary: 'Set the rate of a redrive',
  description: 'Takes effect at once.',
  request: { params: RedriveIdSchema, body: jsonBody(RateSchema) },
  responses: {
    200: answer('The redrive with its new rate.', RedriveSchema),
    ...problemResponses(
      'invalid-request',
      'unknown-redrive',
      'refused',
      'too-large',
      'unsupported-media-type',
      'internal',
      'server-unavailable',
      'control-unavailable',
    ),
  },
});

export function redriveRoutes({ redrives }: Pick<ApiDeps, 'redrives'>) {
  const open = (c: Context<ApiEnv>) => maySeePersonalData(c.get('principal'));
  const nameOf = (c: Context<ApiEnv>) => c.get('principal').name;
  const isTheirs = (c: Context<ApiEnv>, { filter }: Redrive) => owns(c.get('principal'), filter.organizationId);

  /** What is asked for, limited to the organization of whoever asks. */
  function asked(c: Context<ApiEnv>, body: Parameters<typeof requestOf>[0]): RedriveRequest {
    const request = requestOf(body);
    return { ...request, filter: limitedFilter(c.get('principal'), request.filter) };
  }

  return createRouter()
    .openapi(planned, async (c) => c.json(await redrives.plan(asked(c, c.req.valid('json'))), 200))
    .openapi(requested, async (c) => {
      const { ratePerSecond, dryRunId = null, ...body } = c.req.valid('json');
      if (body.action === 'discard') needs(c, 'deadletter:discard');
      const redrive = await redrives.create(asked(c, body), { ratePerSecond, dryRunId }, nameOf(c));
      return c.json(redriveView(redrive, open(c)), 202);
    })
    .openapi(listed, async (c) => {
      const latest = (await redrives.list(LISTED)).filter((redrive) => isTheirs(c, redrive));
      return c.json({ redrives: latest.map((redrive) => redriveView(redrive, open(c))) }, 200);
    })
    .openapi(one, async (c) => {
      const { redrive, progress } = await redrives.get(c.req.valid('param').id);
      return c.json(redriveNowView(redrive, open(c), progress, Date.now()), 200);
    })
    .openapi(told('pause'), async (c) =>
      c.json(redriveView(await redrives.pause(c.req.valid('param').id), open(c)), 200),
    )
    .openapi(told('resume'), async (c) =>
      c.json(redriveView(await redrives.resume(c.req.valid('param').id), open(c)), 200),
    )
    .openapi(told('cancel'), async (c) =>
      c.json(redriveView(await redrives.cancel(c.req.valid('param').id), open(c)), 200),
    )
    .openapi(told('approve'), async (c) => {
      if (c.get('principal').kind === 'api-key') {
        // Whoever made the key could be the one who asked.
        throw new ProblemError('forbidden', 'It takes a second person; an API key is none.');
      }
      const { id } = c.req.valid('param');
      const { redrive } = await redrives.get(id);
      if (redrive.action === 'discard') needs(c, 'deadletter:discard');
      return c.json(redriveView(await redrives.approve(id, nameOf(c)), open(c)), 200);
    })
    .openapi(told('reject'), async (c) =>
      c.json(redriveView(await redrives.reject(c.req.valid('param').id, nameOf(c)), open(c)), 200),
    )
    .openapi(rated, async (c) => {
      const redrive = await redrives.setRate(c.req.valid('param').id, c.req.valid('json').ratePerSecond);
      return c.json(redriveView(redrive, open(c)), 200);
    });
}
