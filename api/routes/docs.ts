/** The API's own documentation: the OpenAPI document and a page that shows it. */
import { createHash } from 'node:crypto';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { DOCS_STYLE, renderDocs } from '../docs-page.ts';
import { type ApiEnv, createRouter } from '../env.ts';
import { problemResponses } from '../errors.ts';
import { OPEN } from '../permits.ts';

const INFO = {
  openapi: '3.1.0',
  info: {
    title: 'CRM Ingestion',
    version: '1',
    description:
      'Starts, stops and watches the ingestion of CRM events from Kafka into PostgreSQL. Where AUTH_MODE is `jwt`, send a JWT or an API key as `Authorization: Bearer …`. Errors are problem details (RFC 9457). Every answer carries X-Request-Id; send your own to find a request in the logs.',
  },
};

/** The page is one file: its style is allowed by its hash, and nothing else is loaded. */
const STYLE_HASH = createHash('sha256').update(DOCS_STYLE).digest('base64');

const document = createRoute({
  method: 'get',
  path: '/openapi.json',
  ...OPEN,
  tags: ['Documentation'],
  summary: 'This document',
  description: 'OpenAPI 3.1.',
  responses: {
    200: {
      description: 'The document.',
      content: { 'application/json': { schema: z.looseObject({ openapi: z.string() }) } },
    },
    ...problemResponses('internal'),
  },
});

const page = createRoute({
  method: 'get',
  path: '/docs',
  ...OPEN,
  tags: ['Documentation'],
  summary: 'This document as a page',
  description: 'Loads nothing from elsewhere, so it works without access to the internet.',
  responses: {
    200: { description: 'The page.', content: { 'text/html': { schema: z.string() } } },
    ...problemResponses('internal'),
  },
});

/** What every guarded route may answer, before it has looked at the request. */
const GUARDED = problemResponses(
  'invalid-request',
  'unauthorized',
  'forbidden',
  'rate-limited',
  'identity-unavailable',
);

/** What the others may answer likewise. */
const UNGUARDED = problemResponses('invalid-request', 'rate-limited');

/** @param app the whole API, whose routes are documented */
export function docsRoutes(app: OpenAPIHono<ApiEnv>) {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A JWT or an API key; `x-permission` of a route names what it must permit.',
  });
  let known: Document | null = null;
  const described = () => {
    // With the first question, when all routes are there; they stay the same.
    known ??= withPlainPatterns(withCommonAnswers(app.getOpenAPI31Document(INFO)));
    return known;
  };
  return createRouter()
    .openapi(document, (c) => c.json<{ openapi: string }, 200>(described(), 200))
    .openapi(page, async (c) => {
      const html = await renderDocs(described());
      c.header(
        'content-security-policy',
        `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; frame-ancestors 'none'`,
      );
      return c.html(html, 200);
    });
}

/** The generator writes regular expressions with their flags behind them, which belong to JavaScript and not to JSON Schema. */
function withPlainPatterns(document: Document): Document {
  return JSON.parse(JSON.stringify(document), (key, value: unknown) =>
    key === 'pattern' && typeof value === 'string' ? value.replace(/\/[dgimsuvy]+$/u, '') : value,
  );
}

type Document = ReturnType<OpenAPIHono<ApiEnv>['getOpenAPI31Document']>;

function withCommonAnswers(document: Document): Document {
  const problemOf = (description: string) => ({
    description,
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  });
  for (const path of Object.values(document.paths ?? {})) {
    for (const operation of Object.values(path)) {
      const answers = operation['x-reach'] === undefined ? UNGUARDED : GUARDED;
      for (const [status, { description }] of Object.entries(answers)) {
        operation.responses[status] ??= problemOf(description);
      }
    }
  }
  return document;
}
