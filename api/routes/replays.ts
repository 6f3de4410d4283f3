/** Reading ranges of the log again, and topics or files for the first time beside live reading. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ReplayRequest } from '../../activities/replay-ports.ts';
import { type ApiEnv, createRouter } from '../env.ts';
import { problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { limitOf } from '../replay-desk.ts';
import { answer, jsonBody } from '../schemas.ts';
import { limitedFilter, mustBeUnbound, owns } from '../tenancy.ts';
import { maySeePersonalData } from './dead-letters-view.ts';
import {
  BackfillBodySchema,
  backfillOf,
  PreviewSchema,
  ReplayBodySchema,
  ReplayIdSchema,
  ReplayNowSchema,
  ReplaySchema,
  replayNowView,
  replayOf,
  replayView,
  SpeedSchema,
  withoutTimes,
} from './replays-schemas.ts';

const tags = ['Replays'];

/** Most replays in a list. */
const LISTED = 100;

const ASKED = [
  'invalid-request',
  'forbidden',
  'invalid-selection',
  'too-large',
  'unsupported-media-type',
  'internal',
  'server-unavailable',
  'log-unavailable',
] as const;

function planned<Path extends string, S extends z.ZodType>(path: Path, what: string, schema: S) {
  return createRoute({
    method: 'post',
    path,
    ...permits('replay:create', 'organization'),
    tags,
    summary: `What a ${what} would read`,
    description: 'Offsets, how many events that is at most, and how long it would take. Nothing is begun or kept.',
    request: { body: jsonBody(schema) },
    responses: { 200: answer('What it would read.', PreviewSchema), ...problemResponses(...ASKED) },
  });
}

function requested<Path extends string, S extends z.ZodType>(
  path: Path,
  summary: string,
  description: string,
  schema: S,
) {
  return createRoute({
    method: 'post',
    path,
    ...permits('replay:create', 'organization'),
    tags,
    summary,
    description,
    request: { body: jsonBody(schema) },
    responses: {
      202: answer('It is being planned, and then runs.', ReplaySchema),
      ...problemResponses(...ASKED, 'control-unavailable'),
    },
  });
}

const replayPlanned = planned('/replays/plan', 'replay', ReplayBodySchema);
const backfillPlanned = planned('/backfills/plan', 'backfill', BackfillBodySchema);
const replayRequested = requested(
  '/replays',
  'Read ranges of the log again',
  'By offsets, by time, or whatever an earlier run read. Ends are fixed when it is planned. It runs beside live ingestion.',
  ReplayBodySchema,
);
const backfillRequested = requested(
  '/backfills',
  'Ingest whole topics or files',
  'Topics window after window of time, or files of a folder or bucket. Events that are known are skipped, as in live ingestion.',
  BackfillBodySchema,
);

const listed = createRoute({
  method: 'get',
  path: '/replays',
  ...permits('ingestion:read', 'organization'),
  tags,
  summary: 'The last 100 replays and backfills',
  description: 'Of everybody.',
  responses: {
    200: answer('The newest first.', z.object({ replays: z.array(ReplaySchema) }).openapi('Replays')),
    ...problemResponses('internal', 'server-unavailable'),
  },
});

const one = createRoute({
  method: 'get',
  path: '/replays/{id}',
  ...permits('ingestion:read', 'organization'),
  tags,
  summary: 'How a replay or backfill is getting on, and its report',
  description: 'Its counts are exact at any time; phase and speed are those of its workflow.',
  request: { params: ReplayIdSchema },
  responses: {
    200: answer('Exact counts, how fast it is, and in the end the report.', ReplayNowSchema),
    ...problemResponses('invalid-request', 'unknown-replay', 'internal', 'server-unavailable'),
  },
});

const TOLD = [
  'invalid-request',
  'unknown-replay',
  'refused',
  'too-large',
  'internal',
  'server-unavailable',
  'control-unavailable',
] as const;

const ACTIONS = {
  pause: ['Pause a replay', 'Batches under way are written, then nothing is read until it is resumed.'],
  resume: [
    'Go on after a pause',
    'At the exact offset. Also begins one that could not be started when it was requested.',
  ],
  cancel: ['End a replay', 'What it did stays done, and is reported.'],
} as const;

function told<const Action extends keyof typeof ACTIONS>(action: Action) {
  const [summary, description] = ACTIONS[action];
  return createRoute({
    method: 'post',
    path: `/replays/{id}/${action}`,
    ...permits(action === 'cancel' ? 'replay:cancel' : 'replay:create', 'organization'),
    tags,
    summary,
    description,
    request: { params: ReplayIdSchema },
    responses: {
      200: answer('The replay as it is now; it may take a moment to act.', ReplaySchema),
      ...problemResponses(...TOLD),
    },
  });
}

const rated = createRoute({
  method: 'put',
  path: '/replays/{id}/rate',
  ...permits('replay:create', 'organization'),
  tags,
  summary: 'Set how fast a replay goes',
  description: 'Its rate, its lanes, or both. Takes effect at once.',
  request: { params: ReplayIdSchema, body: jsonBody(SpeedSchema) },
  responses: {
    200: answer('The replay with its new speed.', ReplaySchema),
    ...problemResponses(...TOLD, 'unsupported-media-type'),
  },
});

export function replayRoutes({ replays, settings }: Pick<ApiDeps, 'replays' | 'settings'>) {
  const open = (c: Context<ApiEnv>) => maySeePersonalData(c.get('principal'));
  const nameOf = (c: Context<ApiEnv>) => c.get('principal').name;
  const { topics } = settings;

  /**
   * What is asked for, limited to the organization of whoever asks. A mapping could say of anybody's lines that they are of
   * their organization, and what a run has read tells what somebody else had read.
   */
  function limit(c: Context<ApiEnv>, request: ReplayRequest): ReplayRequest {
    const principal = c.get('principal');
    if (principal.organizations === null) return request;
    const { by } = request.selection;
    if (by === 'files') mustBeUnbound(principal, 'Name topics.');
    if (by === 'run') mustBeUnbound(principal, 'Name ranges of offsets, or topics and times.');
    return { ...request, filter: limitedFilter(principal, request.filter ?? {}) };
  }

  return createRouter()
    .openapi(replayPlanned, async (c) =>
      c.json(await replays.plan(limit(c, replayOf(c.req.valid('json'), topics))), 200),
    )
    .openapi(backfillPlanned, async (c) =>
      c.json(await replays.plan(limit(c, backfillOf(c.req.valid('json'), topics))), 200),
    )
    .openapi(replayRequested, async (c) => {
      const replay = await replays.create(limit(c, replayOf(c.req.valid('json'), topics)), nameOf(c));
      return c.json(replayView(replay, open(c)), 202);
    })
    .openapi(backfillRequested, async (c) => {
      const replay = await replays.create(limit(c, backfillOf(c.req.valid('json'), topics)), nameOf(c));
      return c.json(replayView(replay, open(c)), 202);
    })
    .openapi(listed, async (c) => {
      const principal = c.get('principal');
      const latest = (await replays.list(LISTED)).filter((replay) => owns(principal, limitOf(replay)));
      return c.json({ replays: latest.map((replay) => replayView(replay, open(c))) }, 200);
    })
    .openapi(one, async (c) => {
      const { replay, standing, progress } = await replays.get(c.req.valid('param').id);
      const { organizations } = c.get('principal');
      const shown = organizations === null ? replay : { ...replay, report: withoutTimes(replay.report) };
      return c.json(replayNowView(shown, open(c), standing, progress, Date.now()), 200);
    })
    .openapi(told('pause'), async (c) => c.json(replayView(await replays.pause(c.req.valid('param').id), open(c)), 200))
    .openapi(told('resume'), async (c) =>
      c.json(replayView(await replays.resume(c.req.valid('param').id), open(c)), 200),
    )
    .openapi(told('cancel'), async (c) =>
      c.json(replayView(await replays.cancel(c.req.valid('param').id), open(c)), 200),
    )
    .openapi(rated, async (c) => {
      const { id } = c.req.valid('param');
      const { replay } = await replays.get(id);
      const { lanes, ratePerSecond } = c.req.valid('json');
      const speed = {
        lanes: lanes ?? replay.lanes,
        ratePerSecond: ratePerSecond === undefined ? replay.ratePerSecond : ratePerSecond,
      };
      return c.json(replayView(await replays.setSpeed(id, speed), open(c)), 200);
    });
}
