// The API of replays as a person would call it, over servers of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { openApiServers } from '../api/server.ts';
import { startApi } from '../api/start.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/logger.ts';
import { createMetrics } from '../platform/metrics.ts';

const POLL_MS = 100;
const GIVE_UP_MS = 600_000;

const replaySchema = z.looseObject({
  replayId: z.string(),
  status: z.string(),
  reason: z.string().nullish(),
});

export type ShownReplay = z.infer<typeof replaySchema>;

export interface ReplayApi {
  request(body: object): Promise<ShownReplay>;
  tell(replayId: string, what: 'cancel'): Promise<void>;
  /** Waits until it has ended. @throws Error when that is not as `finished`, or takes more than ten minutes */
  untilFinished(replayId: string): Promise<void>;
  close(): Promise<void>;
}

/** @param env of the worker that does the reading */
export async function openReplayApi(env: Record<string, string>): Promise<ReplayApi> {
  const config = loadConfig({ ...env, API_PORT: '0', LOG_LEVEL: 'error' }, EVENT_TYPES);
  const logger = createLogger({ service: 'bench', level: 'error' });
  const { servers, closing } = openApiServers(config, logger);
  const listening = await startApi(config, servers, { logger, metrics: createMetrics() });
  const base = `http://127.0.0.1:${listening.port}/api/v1/crm-ingestion`;

  async function ask(method: string, path: string, body?: object): Promise<ShownReplay> {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return replaySchema.parse(await response.json());
  }

  return {
    request: (body) => ask('POST', '/replays', body),
    async tell(replayId, what) {
      await ask('POST', `/replays/${replayId}/${what}`);
    },
    async untilFinished(replayId) {
      for (const until = performance.now() + GIVE_UP_MS; performance.now() < until; await sleep(POLL_MS)) {
        const { status, reason } = await ask('GET', `/replays/${replayId}`);
        if (status === 'finished') return;
        if (status === 'failed' || status === 'cancelled')
          throw new Error(`replay ${replayId} is ${status}: ${reason}`);
      }
      throw new Error(`replay ${replayId} has not finished after ${GIVE_UP_MS / 60_000} minutes`);
    },
    async close() {
      await listening.close();
      for (const { run } of closing) await run();
    },
  };
}
