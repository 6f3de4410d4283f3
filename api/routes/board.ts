/** Bull Board, the usual window into BullMQ, for operators. Jobs carry keys alone, so it shows no payload. */
import { createBullBoard } from '@bull-board/api';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { createRoute, z } from '@hono/zod-openapi';
import { Hono } from 'hono';
import { createRouter } from '../env.ts';
import { problem, problemResponses } from '../errors.ts';
import { guard, permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';

/** Its scripts are files of its own; its styles are partly written into elements. Nothing is loaded from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

/** What may be changed: one job is tried again, or run before its time. All else would lose jobs or stop the queue. */
const ALLOWED_CHANGE = /\/api\/queues\/[^/]+\/(?:failed|enqueue)-[\w-]+\/(?:retry|promote)$/u;

const page = createRoute({
  method: 'get',
  path: '/board',
  ...permits('deadletter:redrive', 'installation'),
  tags: ['Retries'],
  summary: 'The retry queue as a page',
  description: 'Bull Board over the retry queue. Jobs can be looked at, tried again and run before their time.',
  responses: {
    200: { description: 'The page.', content: { 'text/html': { schema: z.string() } } },
    ...problemResponses('internal'),
  },
});

/** @param mountedAt where these routes will be found */
export function boardRoutes({ boards, queue }: Pick<ApiDeps, 'boards' | 'queue'>, mountedAt: string) {
  const basePath = `${mountedAt}/board`;
  const adapter = new HonoAdapter(serveStatic).setBasePath(basePath);
  createBullBoard({
    queues: [...boards],
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'CRM Ingestion' } },
  });
  // It looks for its files under the whole path.
  const board = new Hono().route(basePath, adapter.registerPlugin());

  return createRouter()
    .openapi(page, async (c) => {
      const answer = await board.fetch(c.req.raw);
      c.header('content-security-policy', POLICY);
      return c.html(await answer.text(), 200);
    })
    .all('/board/*', guard('deadletter:redrive', 'installation'), async (c) => {
      if (c.req.method !== 'GET' && !ALLOWED_CHANGE.test(c.req.path)) {
        return problem(c, 'refused', 'The board shows the queue; jobs can be tried again and run before their time.');
      }
      if (c.req.path.startsWith(`${basePath}/api/`)) {
        // Its own questions would wait for Redis without an end.
        await queue.depth();
      }
      const answer = await board.fetch(c.req.raw);
      c.header('content-security-policy', POLICY);
      return new Response(answer.body, answer);
    });
}
