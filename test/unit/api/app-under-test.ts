import { expect } from 'vitest';
import type { Quota } from '../../../activities/quota-ports.ts';
import type { Stream } from '../../../activities/stream-ports.ts';
import { createApp } from '../../../api/app.ts';
import { createTrailMiddleware } from '../../../api/audit-trail.ts';
import type { ApiDeps } from '../../../api/ports.ts';
import { allowEveryone } from '../../../api/principal.ts';
import { quarantineBefore } from '../../../domain/late-data.ts';
import { createHealth } from '../../../platform/health.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { type IngestionSettings, type IngestionState, NO_TOTALS } from '../../../workflows/contracts.ts';
import {
  ControlRefusedError,
  IngestionNotRunningError,
  type IngestionReport,
  type LaneReport,
} from '../../../workflows/control-port.ts';
import { recordingLogger } from '../platform/recording-logger.ts';
import { createMemoryRedrives } from './memory-redrives.ts';
import { createMemoryReplays } from './memory-replays.ts';

export const SETTINGS: IngestionSettings = {
  consumerGroup: 'group',
  topics: ['crm.leads'],
  lanes: 2,
  startPosition: 'earliest',
  outOfRange: 'earliest',
  sliceMs: 300_000,
  laneTimeoutMs: 5_000,
};

export const PREFIX = '/api/v1/crm-ingestion';

/** An ingestion that lives in memory: our own port, for the behaviour of HTTP alone. */
export function createMemoryControl() {
  let phase: IngestionReport['phase'] = 'never-started';
  const lanes: LaneReport[] = [];
  const running = () => phase === 'running' || phase === 'paused';
  const mustRun = () => {
    if (!running()) throw new IngestionNotRunningError('group');
  };
  const state: IngestionState = {
    runId: '0190d5f0-0000-7000-8000-000000000001',
    startedAt: '2026-01-01T00:00:00.000Z',
    paused: false,
    partitions: [],
    assignments: [],
    parked: [],
    totals: NO_TOTALS,
    slices: 0,
    lastError: null,
  };
  return {
    state,
    lanes,
    async start() {
      const started = !running();
      if (started) phase = 'running';
      return { workflowId: 'crm-ingestion:group', runId: state.runId, started };
    },
    async stop() {
      phase = 'stopped';
      return { stopped: true };
    },
    async pause() {
      mustRun();
      phase = 'paused';
    },
    async resume() {
      mustRun();
      phase = 'running';
    },
    async setLanes() {
      mustRun();
    },
    async seek(_group: string, { topic, partition, to }: { topic: string; partition: number; to: unknown }) {
      mustRun();
      if (topic !== 'crm.leads') throw new ControlRefusedError(`no partition ${topic}[${partition}] is read`);
      return { topic, partition, from: 10, to: typeof to === 'number' ? to : 0 };
    },
    async status(): Promise<IngestionReport> {
      const known = phase !== 'never-started';
      return {
        workflowId: 'crm-ingestion:group',
        phase,
        settings: known ? SETTINGS : null,
        state: known ? state : null,
        lanes,
        problem: null,
      };
    },
  } satisfies ApiDeps['control'] & Record<string, unknown>;
}

/** Streams as a test says; decisions about them are tested over a real database. */
export function createMemoryStreams(listed: readonly Stream[] = []): ApiDeps['streams'] {
  return {
    list: async () => [...listed],
    states: async () => [],
    move: async () => false,
    parked: async () => [],
    settleParked: async () => {},
    discard: async () => ({ ranges: 0, records: 0 }),
  };
}

/** Quotas alone; that lanes keep to them is tested over a real database. */
function createMemoryQuotas(): ApiDeps['quotas'] {
  const quotas = new Map<string | null, Quota>();
  return {
    list: async () => [...quotas.values()],
    put: async (quota) => {
      const kept = { ...quota, changedAt: '2026-01-01T00:00:00.000Z' };
      quotas.set(quota.organizationId, kept);
      return kept;
    },
    remove: async (organizationId) => quotas.delete(organizationId),
    over: async () => [],
  };
}

/** Limits are tested through a server that listens: they ask for the address of whoever asks. */
const NO_LIMITS: ApiDeps['limits'] = { before: (_c, next) => next(), after: (_c, next) => next() };

/** The routes of failed events are tested over a real database. */
const NO_DEAD_LETTERS: Pick<ApiDeps, 'deadLetters' | 'decoder' | 'validationOf' | 'redriveOne'> = {
  deadLetters: {
    list: async () => [],
    listWhole: async () => [],
    get: async () => null,
    groups: async () => [],
    summary: async () => ({ statuses: [], errorCodes: [], organizations: [] }),
    correct: async () => 'unknown',
    discard: async () => 'unknown',
  },
  decoder: { decode: () => ({ ok: false, schemaId: null, rejection: { code: 'undecodable', detail: 'cut off' } }) },
  validationOf: async () => ({ now: Date.now(), late: quarantineBefore(0), expectedEntity: null }),
  redriveOne: async () => 'taken',
};

/** API keys are tested over a real database. */
const NEW_KEY = { createdAt: '2026-01-01T00:00:00.000Z', revokedBy: null, revokedAt: null, lastUsedAt: null };

/** The routes of partitions, retention and legal holds are tested over a real database. */
const NO_MAINTENANCE: Pick<ApiDeps, 'partitions' | 'maintenance' | 'maintenanceControl' | 'retention' | 'legalHolds'> =
  {
    partitions: { list: async () => [], create: async () => 0, detach: async () => 'unknown' },
    maintenance: { request: async () => {}, conclude: async () => 0, list: async () => [], find: async () => null },
    maintenanceControl: { start: async () => {} },
    retention: {
      list: async () => [],
      put: async (rule) => ({ ...rule, changedAt: '2026-01-01T00:00:00.000Z' }),
      remove: async () => false,
    },
    legalHolds: {
      list: async () => [],
      find: async () => null,
      place: async (hold) => ({ ...hold, placedAt: '2026-01-01T00:00:00.000Z' }),
      lift: async () => false,
    },
  };

/**
 * The app over in-memory ports. Each answer is checked against the OpenAPI document: a status that a route does not
 * declare fails the test that met it.
 */
export function createTestApp(overrides: Partial<ApiDeps> = {}) {
  const control = createMemoryControl();
  const logger = recordingLogger();
  const metrics = createMetrics();
  const app = createApp({
    control,
    settings: SETTINGS,
    bounds: async () => [],
    positions: async () => [],
    counters: { totals: async () => ({ processed: 0, skipped: 0, conflicts: 0, filtered: 0, failed: 0, dead: 0 }) },
    audits: { create: async () => {}, fail: async () => {}, list: async () => [], find: async () => null },
    auditControl: { start: async ({ auditId }) => ({ workflowId: `crm-audit:${auditId}` }) },
    books: { read: async () => ({ partitions: [], breaks: [], jumps: [], parked: [], identities: [] }) },
    queue: { depth: async () => ({ waiting: 0, delayed: 0, active: 0, failed: 0 }) },
    jobs: {
      enqueue: async (_at, delayMs) => ({ jobId: 'enqueue-1', runsAt: delayMs }),
      job: async () => null,
    },
    boards: [],
    streams: createMemoryStreams(),
    locate: async (at) => ({ problem: null, bounds: { ...at, earliest: 0, end: at.offset + 1, topicId: null } }),
    ...NO_DEAD_LETTERS,
    redrives: createMemoryRedrives().desk,
    replays: createMemoryReplays().desk,
    histories: { owners: async () => [], versions: async () => [] },
    ...NO_MAINTENANCE,
    erasures: {
      create: async () => {},
      fail: async () => {},
      list: async () => [],
      find: async () => null,
      isHeld: async () => false,
    },
    quotas: createMemoryQuotas(),
    apiKeys: {
      create: async ({ hash: _, lifetimeMs, ...key }) => ({
        ...key,
        ...NEW_KEY,
        expiresAt: new Date(lifetimeMs).toISOString(),
      }),
      list: async () => [],
      revoke: async () => null,
    },
    erasureControl: { start: async ({ erasureId }) => ({ workflowId: `crm-erasure:${erasureId}` }) },
    canErase: true,
    health: createHealth({}, { logger }),
    metrics,
    logger,
    authenticate: allowEveryone(false),
    limits: NO_LIMITS,
    auditLog: { list: async () => [] },
    auditTrail: createTrailMiddleware({
      trail: { append: async () => {} },
      unidentified: { count: () => {} },
      addressOf: () => null,
      networkOf: () => null,
      logger,
    }),
    corsOrigins: [],
    tls: false,
    ...overrides,
  });
  const document = app.getOpenAPI31Document({ openapi: '3.1.0', info: { title: 'test', version: '1' } });

  async function request(
    method: string,
    path: string,
    init: { json?: unknown; headers?: Record<string, string> } = {},
  ) {
    const response = await app.request(path, {
      method,
      headers: { ...(init.json === undefined ? {} : { 'content-type': 'application/json' }), ...init.headers },
      ...(init.json !== undefined && { body: JSON.stringify(init.json) }),
    });
    const operation = operationOf(document, method, path);
    if (operation) expect(Object.keys(operation.responses), `${method} ${path}`).toContain(String(response.status));
    return response;
  }
  return { app, document, request, control, logger, metrics };
}

type Document = ReturnType<ReturnType<typeof createApp>['getOpenAPI31Document']>;

/** @param path as the router or as OpenAPI writes it: `/jobs/:id` or `/jobs/{id}` */
export function operationOf(document: Document, method: string, path: string) {
  const item = document.paths?.[path.replaceAll(/:(\w+)/gu, '{$1}')] as
    | Record<string, { responses: Record<string, unknown> }>
    | undefined;
  return item?.[method.toLowerCase()];
}
