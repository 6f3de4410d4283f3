import type { OpenAPIHono } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';
import { type ApiEnv, createRouter } from './env.ts';
import { createErrorHandler, problem } from './errors.ts';
import { allowOrigins } from './limits/cors.ts';
import { refuseLongUrls } from './limits/targets.ts';
import { observeRequests } from './observe-requests.ts';
import { refuseOtherSites } from './other-sites.ts';
import type { ApiDeps } from './ports.ts';
import { apiKeyRoutes } from './routes/api-keys.ts';
import { auditLogRoutes } from './routes/audit-log.ts';
import { auditRoutes } from './routes/audits.ts';
import { boardRoutes } from './routes/board.ts';
import { booksRoutes } from './routes/books.ts';
import { controlRoutes } from './routes/control.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { deadLetterCorrectionRoutes } from './routes/dead-letters-correction.ts';
import { deadLetterExportRoutes } from './routes/dead-letters-export.ts';
import { deadLetterSettleRoutes } from './routes/dead-letters-settle.ts';
import { docsRoutes } from './routes/docs.ts';
import { enqueueRoutes } from './routes/enqueue.ts';
import { erasureRoutes } from './routes/erasures.ts';
import { healthRoutes } from './routes/health.ts';
import { historyRoutes } from './routes/history.ts';
import { jobsRoutes } from './routes/jobs.ts';
import { legalHoldRoutes } from './routes/legal-holds.ts';
import { ingestionMetricsRoutes, prometheusRoutes } from './routes/metrics.ts';
import { partitionRoutes } from './routes/partitions.ts';
import { maintenanceRoutes } from './routes/partitions-maintenance.ts';
import { quotaRoutes } from './routes/quotas.ts';
import { redriveRoutes } from './routes/redrives.ts';
import { replayRoutes } from './routes/replays.ts';
import { retentionRoutes } from './routes/retention.ts';
import { statusRoutes } from './routes/status.ts';
import { streamsRoutes } from './routes/streams.ts';

/** Requests hold a few fields; anything larger is a mistake or an attack. */
const MAX_BODY_BYTES = 16 * 1024;

const INGESTION = '/api/v1/crm-ingestion';

/** The whole HTTP surface over its dependencies; it opens no port and no connection. */
export function createApp(deps: ApiDeps): OpenAPIHono<ApiEnv> {
  const app = createRouter();
  app.onError(createErrorHandler(deps.logger));
  app.notFound((c) => problem(c, 'not-found', 'See /docs for the paths there are.'));

  app.use(requestId({ limitLength: 128 }));
  app.use(observeRequests(deps.metrics, deps.logger));
  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      // The documentation page has a policy of its own.
      overwrite: false,
      // Behind a TLS proxy only its side knows whether the name is always served over TLS.
      strictTransportSecurity: deps.tls ? 'max-age=31536000' : false,
    }),
  );
  app.use(async (c, next) => {
    c.header('cache-control', 'no-store');
    await next();
  });
  app.use(refuseLongUrls);
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        problem(c, 'method-not-allowed', `It takes ${methods.join(', ')}.`, { headers: { allow: methods.join(', ') } }),
    }),
  );
  if (deps.corsOrigins.length > 0) app.use('/api/*', allowOrigins(deps.corsOrigins));
  app.use('/api/*', deps.auditTrail.around);
  app.use('/api/*', refuseOtherSites(deps.corsOrigins));
  app.use(deps.limits.before);
  app.use('/api/*', deps.authenticate);
  app.use('/api/*', deps.limits.after);
  // Reads bodies that come in pieces, so that it is only done for those who are let in.
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (c) => problem(c, 'too-large', `At most ${MAX_BODY_BYTES} bytes are read.`),
    }),
  );
  app.use('/api/*', deps.auditTrail.record);

  app.route(INGESTION, controlRoutes(deps));
  app.route(INGESTION, statusRoutes(deps));
  app.route(INGESTION, ingestionMetricsRoutes(deps));
  app.route(INGESTION, streamsRoutes(deps));
  app.route(INGESTION, booksRoutes(deps));
  app.route(INGESTION, auditRoutes(deps));
  app.route(INGESTION, historyRoutes(deps));
  app.route(INGESTION, enqueueRoutes(deps));
  app.route(INGESTION, jobsRoutes(deps));
  app.route(INGESTION, boardRoutes(deps, INGESTION));
  // Before the route of one event, whose id `export` would be taken for.
  app.route(INGESTION, deadLetterExportRoutes(deps));
  app.route(INGESTION, deadLetterRoutes(deps));
  app.route(INGESTION, deadLetterCorrectionRoutes(deps));
  app.route(INGESTION, deadLetterSettleRoutes(deps));
  app.route(INGESTION, redriveRoutes(deps));
  app.route(INGESTION, replayRoutes(deps));
  app.route(INGESTION, partitionRoutes(deps));
  app.route(INGESTION, maintenanceRoutes(deps));
  app.route(INGESTION, retentionRoutes(deps));
  app.route(INGESTION, quotaRoutes(deps));
  app.route(INGESTION, legalHoldRoutes(deps));
  app.route(INGESTION, erasureRoutes(deps));
  app.route(INGESTION, auditLogRoutes(deps));
  app.route(INGESTION, apiKeyRoutes(deps));
  app.route('/', healthRoutes(deps));
  app.route('/', prometheusRoutes(deps));
  app.route('/', docsRoutes(app));
  return app;
}
